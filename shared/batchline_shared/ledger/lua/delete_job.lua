-- Forgets a job that was marked as being deleted.  KEYS: all keys of the job.  ARGV: channel.
if redis.call('HGET', KEYS[1], 'deleting') ~= '1' then return 0 end
redis.call('UNLINK', unpack(KEYS))
redis.call('PUBLISH', ARGV[1], 'deleted')
return 1
