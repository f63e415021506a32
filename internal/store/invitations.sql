-- name: invitation
select {invitations} from invitations where id = $1

-- name: invitations
select {invitations} from invitations
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: fewer invitations
select 1 from keystore where (select count(*) from invitations where wallet = $1 and used = 0 and expires > $2) < $3

-- name: insert invitation
insert into invitations ({invitations}) values ({@invitations}) on conflict do nothing

-- name: use invitation
update invitations set used = @used, mac = @mac where id = @old.id and mac = @old.mac and used = 0

-- name: delete wallet's invitations
delete from invitations where wallet = $1

-- name: sweep invitations
delete from invitations where id in (select id from invitations where expires < $1 order by expires limit $2)
