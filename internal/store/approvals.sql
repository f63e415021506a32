-- name: approval
select {approvals} from approvals where id = $1

-- name: approvals
select {approvals} from approvals
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: pending approvals
select {approvals} from approvals
where wallet = $1 and state = 'pending' and expires > $2 and (created, id) < ($3, $4)
order by created desc, id desc limit $5

-- name: collectable approvals
select {approvals} from approvals
where wallet = $1 and state = 'approved' and decided > $2 and (created, id) < ($3, $4)
order by created desc, id desc limit $5

-- name: find approval
select {approvals} from approvals
where wallet = $1 and app = $2 and digest = $3 and created >= $4
order by created desc, case when state = 'pending' then 0 else 1 end, id desc limit 1

-- name: recent approvals
select {approvals} from approvals
where wallet = $1 and app = $2 and created >= $3 order by created desc, id desc limit 200

-- name: waiting
select coalesce(sum(case when app = $2 then 1 else 0 end), 0), count(*) from approvals
where wallet = $1 and state = 'pending' and expires > $3

-- name: all waiting
select count(*) from approvals where state = 'pending' and expires > $1

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
insert into approvals ({approvals}) values ({@approvals}) on conflict do nothing

-- name: decide approval
update approvals set state = @state, decided = @decided, decided_by = @decided_by, answer = @answer, mac = @mac
where id = @old.id and state = 'pending' and mac = @old.mac

-- name: withdraw approval
update approvals set state = @state, decided = @decided, decided_by = @decided_by, answer = @answer, mac = @mac
where id = @old.id and state = 'approved' and mac = @old.mac

-- name: take back rejection
update approvals set state = @state, decided = @decided, decided_by = @decided_by, answer = @answer, mac = @mac
where id = @old.id and state = 'rejected' and mac = @old.mac

-- name: delete wallet's approvals
delete from approvals where wallet = $1

-- name: sweep decided approvals
delete from approvals where id in (select id from approvals where state <> 'pending' and decided < $1 order by decided limit $2)

-- name: sweep expired approvals
delete from approvals where id in (select id from approvals where state = 'pending' and expires < $1 order by expires limit $2)
