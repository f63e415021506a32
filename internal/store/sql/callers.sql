-- name: caller
select t.id, t.role, t.wallet, t.app, t.name, t.origins, t.hash, t.created, t.expires, t.revoked, t.last_used, t.mac,
    k.epoch,
    coalesce(w.id, ''), coalesce(w.generation, 0), w.sealed_key, w.sealed,
    coalesce(w.version, 0), coalesce(w.created, 0),
    coalesce(c.time, 0),
    coalesce(a.wallet, ''), coalesce(a.address, ''), coalesce(a.app, ''), coalesce(a.path, ''), coalesce(a.type, ''),
    a.sealed, coalesce(a.created, 0)
from tokens t cross join keystore k
left join wallets w on w.id = t.wallet
left join chains c on c.chain = t.wallet
left join accounts a on t.role = 'app' and a.wallet = t.wallet and a.address = (
    select address from accounts where wallet = t.wallet and app = t.app and type = $2 order by created, address limit 1)
where t.id = $1

-- name: caller wallet
select k.epoch, w.id, w.generation, w.sealed_key, w.sealed, w.version, w.created, coalesce(c.time, 0)
from wallets w cross join keystore k
left join chains c on c.chain = w.id
where w.id = $1

-- name: token
select id, role, wallet, app, name, origins, hash, created, expires, revoked, last_used, mac from tokens where id = $1

-- name: tokens
select id, role, wallet, app, name, origins, hash, created, expires, revoked, last_used, mac from tokens
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: owners
select count(*) from tokens where wallet = $1 and role = 'owner'

-- name: insert token
insert into tokens (id, role, wallet, app, name, origins, hash, created, expires, revoked, last_used, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing

-- name: revoke token
update tokens set revoked = $1, mac = $2 where id = $3 and mac = $4 and revoked = 0

-- name: touch token
update tokens set last_used = $1 where id = $2 and last_used < $1

-- name: origin listed
select 1 from tokens where origins <> '' and ' ' || origins || ' ' like $1 escape '\'
    and revoked = 0 and (expires = 0 or expires > $2) limit 1

-- name: no owner
select 1 from keystore where not exists (select 1 from tokens where wallet = $1 and role = 'owner')

-- name: request
select token, route, key, digest, made, secret, created from requests
where token = $1 and route = $2 and key = $3

-- name: insert request
insert into requests (token, route, key, digest, made, secret, created)
values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing

-- name: insert nonce
insert into nonces (wallet, issuer, jti, expires) values ($1, $2, $3, $4) on conflict do nothing
returning wallet, issuer, jti

-- name: sweep nonces
delete from nonces where expires < $1 and expires <= (
    select max(expires) from (select expires from nonces where expires < $1 order by expires limit 5000) as oldest)

-- name: sweep requests
delete from requests where created < $1 and created <= (
    select max(created) from (select created from requests where created < $1 order by created limit 5000) as oldest)
