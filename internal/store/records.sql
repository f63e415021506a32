-- name: records
select {records} from records
where chain = $1 and seq > $2 order by seq limit $3

-- name: id of record
select id from records where chain = $1 and seq = $2

-- name: hash of record
select hash from records where chain = $1 and seq = $2
union select hash from archives where chain = $1 and seq = $2

-- name: insert record
insert into records ({records}) values ({@records})

-- name: delete no record
delete from records where chain = '' and seq < 0
