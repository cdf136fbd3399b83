-- Says what keeps a job waiting.  KEYS: meta.  ARGV: message.  A job that is gone stays gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'message', ARGV[1])
return 1
