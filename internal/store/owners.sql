-- name: owner
select {owners} from owners where wallet = $1 and id = $2

-- name: owners of wallet
select {owners} from owners
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: insert owner
insert into owners ({owners}) values ({@owners}) on conflict do nothing

-- name: update owner
update owners set sealed = @sealed, mac = @mac where wallet = @wallet and id = @id and mac = @old.mac

-- name: delete owner
delete from owners where wallet = @wallet and id = @id and mac = @mac

-- name: delete wallet's owners
delete from owners where wallet = $1
