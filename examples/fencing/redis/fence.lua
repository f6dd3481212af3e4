#!lua name=fence
-- FCALL fenced 2 fence:{orders} {orders}:state 41 SET value   writes, if 41 is the highest seen
-- FCALL fenced 1 fence:{orders} 41                            seals only
-- Load it with FUNCTION LOAD (Redis 7), and create the fence once: SET fence:{orders} 0 NX.

-- A number in Lua is a double, which is exact to 2^53: tokens are compared as text.
local function is_lower(one, other)
  return #one < #other or (#one == #other and one < other)
end

-- An error, or nil once the token is the highest.
local function raise_to(token, fence, highest)
  if not token or #token > 18 or not token:match('^[1-9]%d*$') then
    return redis.error_reply('TOKEN not a fencing token: ' .. (token or 'none') ..
                             '; tokens are 1 to 999999999999999999')
  end
  if not highest then
    return redis.error_reply('FENCE ' .. fence .. ' is missing: lost, or never created')
  end
  if is_lower(token, highest) then
    return redis.error_reply('STALE fencing token ' .. token .. ' at ' .. fence ..
                             ': the highest seen is ' .. highest)
  end
  redis.call('SET', fence, token)
end

local function fenced(keys, args)
  local fence, key, token, command = keys[1], keys[2], args[1], args[2]
  local scope = fence:sub(7)
  if fence:sub(1, 7) ~= 'fence:{' or fence:sub(-1) ~= '}' then
    return redis.error_reply('SCOPE the first key is fence:{SCOPE}, not ' .. fence)
  end
  if #keys ~= (command and 2 or 1) then
    return redis.error_reply('SCOPE a command has one key beside the fence')
  end
  if key and key:sub(1, #scope) ~= scope then
    return redis.error_reply('SCOPE the key ' .. key .. ' is not of the scope ' .. scope)
  end
  local highest = redis.call('GET', fence)
  if token ~= highest or token == '0' then
    local refusal = raise_to(token, fence, highest)
    if refusal then
      return refusal
    end
  end
  if command then
    return redis.call(command, key, unpack(args, 3))
  end
  return redis.status_reply('OK')
end

redis.register_function('fenced', fenced)
