-- name: request
select {requests} from requests where token = $1 and route = $2 and key = $3

-- name: insert request
insert into requests ({requests}) values ({@requests}) on conflict do nothing

-- name: sweep requests
delete from requests where (token, route, key) in (
    select token, route, key from requests where created < $1 order by created limit $2)
