-- name: insert nonce
insert into nonces ({nonces}) values ({@nonces}) on conflict do nothing
returning wallet, issuer, jti

-- name: sweep nonces
delete from nonces where expires < $1 and expires <= (
    select max(expires) from (select expires from nonces where expires < $1 order by expires limit 5000) as oldest)
