-- name: pairing
select {pairings} from pairings where id = $1

-- name: pairing by code
select {pairings} from pairings where code = $1

-- name: pairings waiting
select count(*) from pairings where expires > $1

-- name: insert pairing
insert into pairings ({pairings}) values ({@pairings}) on conflict do nothing returning id

-- name: reject pairing
update pairings set rejected = @rejected
where id = @old.id and code = @old.code and origin = @old.origin and thumbprint = @old.thumbprint and rejected = 0

-- name: end pairing
delete from pairings
where id = @old.id and code = @old.code and origin = @old.origin and thumbprint = @old.thumbprint and rejected = 0

-- name: sweep pairings
delete from pairings where id in (select id from pairings where expires < $1 order by expires limit $2)
