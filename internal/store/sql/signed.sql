-- name: signed caller
select
    coalesce(t.id, ''), coalesce(t.role, ''), coalesce(t.wallet, ''), coalesce(t.app, ''), coalesce(t.name, ''), coalesce(t.origins, ''), t.hash,
    coalesce(t.created, 0), coalesce(t.expires, 0), coalesce(t.revoked, 0), coalesce(t.last_used, 0), t.mac,
    k.epoch, w.id, w.generation, w.sealed_key, w.sealed, w.version, w.created, coalesce(c.time, 0),
    coalesce(a.wallet, ''), coalesce(a.address, ''), coalesce(a.app, ''), coalesce(a.path, ''), coalesce(a.type, ''),
    a.sealed, coalesce(a.created, 0),
    coalesce(p.wallet, ''), coalesce(p.app, ''), coalesce(p.state, ''), p.sealed, coalesce(p.created, 0), p.mac
from wallets w cross join keystore k
left join chains c on c.chain = w.id
left join apps p on p.wallet = w.id and p.app = $2
left join accounts a on a.wallet = w.id and a.address = (
    select address from accounts where wallet = w.id and app = $2 and type = $3 order by created, address limit 1)
left join tokens t on t.id = (
    select id from tokens where wallet = w.id and app = $2 and revoked = 0 and (expires = 0 or expires > $4)
    order by created desc, id desc limit 1)
where w.id = $1

-- name: app tokens
select id, role, wallet, app, name, origins, hash, created, expires, revoked, last_used, mac from tokens
where wallet = $1 and app = $2 and revoked = 0 and (expires = 0 or expires > $3) order by created desc, id desc limit 100

-- name: app account
select wallet, address, app, path, type, sealed, created from accounts where app = $1 and address = $2 limit 1
