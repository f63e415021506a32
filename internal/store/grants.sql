-- name: grant
select {grants} from grants where id = $1

-- name: grants of app
select {grants} from grants
where wallet = $1 and app = $2 and revoked = 0 and uses <> 0 and (ends = 0 or ends > $3)
order by created desc, id desc limit $4

-- name: grants
select {grants} from grants
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: insert grant
insert into grants ({grants}) values ({@grants}) on conflict do nothing

-- name: use grant
update grants set uses = @uses, mac = @mac where id = @old.id and mac = @old.mac and revoked = 0

-- name: revoke grant
update grants set revoked = @revoked, uses = @uses, mac = @mac
where id = @id and wallet = @wallet and revoked = 0

-- name: delete wallet's grants
delete from grants where wallet = $1

-- name: sweep used grants
delete from grants where id in (
    select id from grants where (revoked > 0 or uses = 0) and created < $1 and revoked < $1 order by created limit $2)

-- name: sweep ended grants
delete from grants where id in (select id from grants where ends > 0 and ends < $1 order by ends limit $2)
