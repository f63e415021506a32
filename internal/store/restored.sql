-- name: restored record
select {restored} from restored where chain = $1 and seq > $2 order by seq limit $3

-- name: insert restored record
insert into restored ({restored}) values ({@restored})
on conflict (chain, seq) do update set sealed = excluded.sealed

-- name: delete wallet's restored record
delete from restored where chain = $1
