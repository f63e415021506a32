-- name: push subscription
select {push_subscriptions} from push_subscriptions where wallet = $1 and id = $2

-- name: push subscriptions
select {push_subscriptions} from push_subscriptions
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: room for push subscription
select 1 from keystore where (select count(*) from push_subscriptions where wallet = $1 and id <> $2) < $3

-- name: put push subscription
insert into push_subscriptions ({push_subscriptions}) values ({@push_subscriptions})
on conflict (wallet, id) do update set token = excluded.token, passkey = excluded.passkey, sealed = excluded.sealed, created = excluded.created, mac = excluded.mac

-- name: delete push subscription
delete from push_subscriptions where wallet = @wallet and id = @id and mac = @mac

-- name: due pushes
with waiting as materialized (select id, wallet, created from approvals where state = 'pending' and expires > $1)
select approval, subscription, wallet from (
    select a.id as approval, s.id as subscription, a.wallet as wallet, a.created as created,
        row_number() over (partition by a.wallet order by a.created, a.id, s.id) as turn
    from waiting a cross join push_subscriptions s
    where s.wallet = a.wallet
    and not exists (select 1 from pushes p where p.approval = a.id and p.subscription = s.id and (p.done or p.held_until > $1))
    and (select count(*) from pushes q where q.subscription = s.id and q.tried > $2 and q.approval <> a.id) < $3
) due
order by turn, created, approval, subscription limit $4

-- name: hold push
insert into pushes (approval, subscription, tries, tried, held_until, done)
select $1, $2, 1, $3, $4, false from keystore
where (select count(*) from pushes q where q.subscription = $2 and q.tried > $5 and q.approval <> $1) < $6
on conflict (approval, subscription) do update set tries = pushes.tries + 1, tried = excluded.tried, held_until = excluded.held_until
    where not pushes.done and pushes.held_until <= excluded.tried
returning tries

-- name: end push
update pushes set done = $3, held_until = $4 where approval = $1 and subscription = $2

-- name: sweep pushes
delete from pushes where (approval, subscription) in (select approval, subscription from pushes where tried < $1 order by tried limit $2)

-- name: delete wallet's push subscriptions
delete from push_subscriptions where wallet = $1
