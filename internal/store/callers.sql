-- name: caller
select {t.tokens}, k.epoch, {w?.wallets}, coalesce(c.time, 0), {a?.accounts}
from tokens t cross join keystore k
left join wallets w on w.id = t.wallet
left join chains c on c.chain = t.wallet
left join accounts a on t.role = 'app' and a.wallet = t.wallet and a.address = (
    select address from accounts where wallet = t.wallet and app = t.app and type = $2 order by created, address limit 1)
where t.id = $1

-- name: caller wallet
select k.epoch, {w.wallets}, coalesce(c.time, 0)
from wallets w cross join keystore k
left join chains c on c.chain = w.id
where w.id = $1

-- name: signed caller
select {t?.tokens}, k.epoch, {w.wallets}, coalesce(c.time, 0), {a?.accounts}, {p?.apps}
from wallets w cross join keystore k
left join chains c on c.chain = w.id
left join apps p on p.wallet = w.id and p.app = $2
left join accounts a on a.wallet = w.id and a.address = (
    select address from accounts where wallet = w.id and app = $2 and type = $3 order by created, address limit 1)
left join tokens t on t.id = (
    select id from tokens where wallet = w.id and app = $2 and revoked = 0 and (expires = 0 or expires > $4)
    order by created desc, id desc limit 1)
where w.id = $1
