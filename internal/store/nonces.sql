-- name: insert nonce
insert into nonces ({nonces}) values ({@nonces}) on conflict do nothing
returning wallet, issuer, jti

-- name: sweep nonces
delete from nonces where (wallet, issuer, jti) in (
    select wallet, issuer, jti from nonces where expires < $1 order by expires limit $2)
