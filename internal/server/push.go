package server

import (
	"context"
	"encoding/base64"

	"walletd/api"
	"walletd/internal/push"
)

func (s *Server) pushKey(context.Context, *call, none) (api.PushKey, error) {
	key, err := s.push.Key()
	return api.PushKey{Key: base64.RawURLEncoding.EncodeToString(key)}, err
}

func pushSubscriptionOf(v push.View) api.PushSubscription {
	return api.PushSubscription{ID: v.ID, Service: v.Service, Token: v.Token, CreatedAt: utc(v.Created)}
}

func (s *Server) subscribePush(ctx context.Context, c *call, in api.NewPushSubscription) (api.PushSubscription, error) {
	sub := push.Subscription{Endpoint: in.Endpoint, Language: in.Language}
	var err error
	if sub.Keys.P256DH, err = base64.RawURLEncoding.Strict().DecodeString(in.Keys.P256DH); err != nil {
		return api.PushSubscription{}, &memberError{"keys.p256dh", "must be base64url without padding"}
	}
	if sub.Keys.Auth, err = base64.RawURLEncoding.Strict().DecodeString(in.Keys.Auth); err != nil {
		return api.PushSubscription{}, &memberError{"keys.auth", "must be base64url without padding"}
	}
	v, err := s.push.Subscribe(ctx, c.caller, sub)
	return pushSubscriptionOf(v), err
}

func (s *Server) pushSubscriptions(ctx context.Context, c *call, in api.Page) (api.List[api.PushSubscription], error) {
	views, next, err := s.push.List(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, pushSubscriptionOf)
}

func (s *Server) unsubscribePush(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.push.Unsubscribe(ctx, c.caller, c.names["id"])
}
