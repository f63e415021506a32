package api

import "time"

// PushKey is the key that a browser subscribes with.
type PushKey struct {
	Key string `json:"key"` // base64url of an uncompressed point of P-256
}

// NewPushSubscription is what a browser's PushSubscription says.
type NewPushSubscription struct {
	Endpoint string   `json:"endpoint" min:"1" max:"2048"`
	Keys     PushKeys `json:"keys"`
	Language string   `json:"language,omitempty" max:"16"` // of the page; it comes back in each message
}

// PushKeys are the keys of a browser's PushSubscription, in base64url.
type PushKeys struct {
	P256DH string `json:"p256dh" min:"1" max:"100"`
	Auth   string `json:"auth" min:"1" max:"32"`
}

// PushSubscription is a browser that is told when an approval begins to wait.
type PushSubscription struct {
	ID        string    `json:"id"`
	Service   string    `json:"service"` // origin of the push service
	Token     string    `json:"token"`   // id of the token that subscribed it, with which it ends
	CreatedAt time.Time `json:"createdAt"`
}
