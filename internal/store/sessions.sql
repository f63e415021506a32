-- name: session
select {sessions} from sessions where id = $1

-- name: sessions
select {sessions} from sessions
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: due sessions
select {sessions} from (
    select *, row_number() over (partition by wallet order by held_until, id) as turn from sessions s
    where ended = 0 and held_until <= $1 and (state <> 'waiting' or expires <= $1 or not exists (
        select 1 from approvals a where a.id = s.approval and a.state = 'pending' and a.expires > $1))
) due
order by turn, held_until, id limit $2

-- name: hold session
update sessions set holder = $2, held_until = $3 where id = $1 and ended = 0 and held_until <= $4 returning id

-- name: renew session
update sessions set held_until = $3 where id = $1 and holder = $2 and ended = 0 returning id

-- name: release session
update sessions set holder = '', held_until = 0 where id = $1 and holder = $2

-- name: release sessions
update sessions set holder = '', held_until = 0 where ended = 0

-- name: room for session
select 1 from keystore
where (select count(*) from sessions where wallet = $1 and app = $2 and id <> $3 and ended = 0 and expires > $4) < $5

-- name: insert session
insert into sessions ({sessions}) values ({@sessions}) on conflict do nothing

-- name: update session
update sessions set app = @app, state = @state, approval = @approval, posting = @posting, expires = @expires,
    ended = @ended, sealed = @sealed, mac = @mac, holder = @holder, held_until = @held_until
where id = @old.id and mac = @old.mac and holder = @old.holder

-- name: open sessions
select count(*) from sessions where ended = 0

-- name: sweep sessions
delete from sessions where id in (select id from sessions where ended > 0 and ended < $1 order by ended limit $2)

-- name: delete wallet's sessions
delete from sessions where wallet = $1
