-- name: app
select wallet, app, state, sealed, created, mac from apps where wallet = $1 and app = $2

-- name: apps
select wallet, app, state, sealed, created, mac from apps
where wallet = $1 and (created, app) < ($2, $3) order by created desc, app desc limit $4

-- name: insert app
insert into apps (wallet, app, state, sealed, created, mac) values ($1, $2, $3, $4, $5, $6) on conflict do nothing

-- name: update app
update apps set state = $3, sealed = $4, created = $5, mac = $6 where wallet = $1 and app = $2 and mac = $7

-- name: approval
select id, wallet, app, agent, asker, state, code, digest, created, expires, decided, decided_by, sealed, answer, mac
from approvals where id = $1

-- name: pending approvals
select id, wallet, app, agent, asker, state, code, digest, created, expires, decided, decided_by, sealed, answer, mac
from approvals
where wallet = $1 and state = 'pending' and expires > $2 and (created, id) < ($3, $4)
order by created desc, id desc limit $5

-- name: approvals
select id, wallet, app, agent, asker, state, code, digest, created, expires, decided, decided_by, sealed, answer, mac
from approvals
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: find approval
select id, wallet, app, agent, asker, state, code, digest, created, expires, decided, decided_by, sealed, answer, mac
from approvals
where wallet = $1 and app = $2 and digest = $3 and created >= $4
order by created desc, case when state = 'pending' then 0 else 1 end, id desc limit 1

-- name: waiting
select coalesce(sum(case when app = $2 then 1 else 0 end), 0), count(*) from approvals
where wallet = $1 and state = 'pending' and expires > $3

-- name: not asked yet
select 1 from keystore where not exists (select 1 from approvals
    where wallet = $1 and app = $2 and digest = $3 and state = 'pending' and expires > $4)

-- name: within budget
select 1 from keystore
where (select count(*) from approvals where wallet = $1 and state = 'pending' and expires > $3) < $5
and (select count(*) from approvals where wallet = $1 and app = $2 and state = 'pending' and expires > $3) < $4

-- name: as many waiting
select 1 from keystore
where (select count(*) from approvals where wallet = $1 and ($2 = '' or app = $2) and state = 'pending' and expires > $3) = $4

-- name: insert approval
insert into approvals (id, wallet, app, agent, asker, state, code, digest, created, expires, decided, decided_by,
    sealed, answer, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) on conflict do nothing

-- name: decide approval
update approvals set state = $1, decided = $2, decided_by = $3, answer = $4, mac = $5
where id = $6 and state = 'pending' and mac = $7

-- name: collectable approvals
select id, wallet, app, agent, asker, state, code, digest, created, expires, decided, decided_by, sealed, answer, mac
from approvals
where wallet = $1 and state = 'approved' and decided > $2 and (created, id) < ($3, $4)
order by created desc, id desc limit $5

-- name: withdraw approval
update approvals set state = $1, decided = $2, decided_by = $3, answer = $4, mac = $5
where id = $6 and state = 'approved' and mac = $7

-- name: grants of app
select id, wallet, app, agent, approval, created, ends, uses, revoked, sealed, mac from grants
where wallet = $1 and app = $2 and revoked = 0 and uses <> 0 and (ends = 0 or ends > $3)
order by created desc, id desc limit $4

-- name: grants
select id, wallet, app, agent, approval, created, ends, uses, revoked, sealed, mac from grants
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: grant
select id, wallet, app, agent, approval, created, ends, uses, revoked, sealed, mac from grants where id = $1

-- name: insert grant
insert into grants (id, wallet, app, agent, approval, created, ends, uses, revoked, sealed, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing

-- name: use grant
update grants set uses = $1, mac = $2 where id = $3 and mac = $4 and revoked = 0

-- name: revoke grant
update grants set revoked = $1, uses = $2, mac = $3 where id = $4 and wallet = $5 and revoked = 0

-- name: delegation
select wallet, hash, from_addr, to_addr, expires, approved, revoked, sealed, mac from delegations
where wallet = $1 and hash = $2

-- name: delegations
select wallet, hash, from_addr, to_addr, expires, approved, revoked, sealed, mac from delegations
where wallet = $1 and (expires, hash) < ($2, $3) order by expires desc, hash desc limit $4

-- name: insert delegation
insert into delegations (wallet, hash, from_addr, to_addr, expires, approved, revoked, sealed, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing

-- name: update delegation
update delegations set approved = $3, revoked = $4, sealed = $5, mac = $6 where wallet = $1 and hash = $2 and mac = $7
