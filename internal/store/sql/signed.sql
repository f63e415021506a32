-- name: app tokens
select id, role, wallet, app, name, hash, created, expires, revoked, last_used, mac from tokens
where wallet = $1 and app = $2 and revoked = 0 and (expires = 0 or expires > $3) order by created desc, id desc limit 100

-- name: app account
select wallet, address, app, path, type, sealed, created from accounts where app = $1 and address = $2 limit 1
