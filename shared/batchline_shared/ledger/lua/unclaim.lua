-- Frees an idempotency key that still stands for this job.  KEYS: idempotency key.  ARGV: job id.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
