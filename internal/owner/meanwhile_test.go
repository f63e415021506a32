package owner_test

import (
	"errors"
	"testing"

	"walletd/internal/auth"
	"walletd/internal/owner"
	"walletd/internal/passkey"
	"walletd/internal/wallettest/fixture"
	authenticator "walletd/internal/wallettest/passkey"
)

const app = "did:abt:zNKas8JX55W6pfRJ7KUSiqZpYum11A1Npv4C"

// A request that was authenticated before its token ended, and is carried out after that, makes no other way in.
func TestWhatEndedMeanwhileMakesNoWayIn(t *testing.T) {
	for name, act := range map[string]func(*fixture.Fixture, *auth.Caller) error{
		"an owner's token": func(f *fixture.Fixture, c *auth.Caller) error {
			_, err := f.Auth.CreateToken(f.T.Context(), c, auth.NewToken{Role: auth.Owner, Wallet: f.Wallet})
			return err
		},
		"an app's token": func(f *fixture.Fixture, c *auth.Caller) error {
			_, err := f.Auth.CreateToken(f.T.Context(), c, auth.NewToken{Role: auth.App, Wallet: f.Wallet, App: app})
			return err
		},
		"an invitation": func(f *fixture.Fixture, c *auth.Caller) error {
			_, err := f.Owners.Invite(f.T.Context(), c, owner.NewInvitation{Wallet: f.Wallet})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			f.AppToken(app) // whose account is there since
			before := f.As(f.Owner)
			comeBack(t, f)
			if err := act(f, before); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("the error is %v, want ErrUnauthorized", err)
			}
		})
	}
}

// comeBack has somebody come back as an owner of the wallet, which ends its token.
func comeBack(t *testing.T, f *fixture.Fixture) {
	t.Helper()
	first, err := f.Owners.Invite(t.Context(), f.As(f.Owner), owner.NewInvitation{Wallet: f.Wallet})
	if err != nil {
		t.Fatal(err)
	}
	in := accept(t, f, first.Text)
	again, err := f.Owners.Invite(t.Context(), f.As(f.Owner), owner.NewInvitation{Wallet: f.Wallet, Owner: in.Owner, Recovery: true})
	if err != nil {
		t.Fatal(err)
	}
	accept(t, f, again.Text)
}

func accept(t *testing.T, f *fixture.Fixture, text string) owner.SignedIn {
	t.Helper()
	asked, err := f.Owners.BeginAccept(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	device := authenticator.New(t, f.Party, passkey.ES256)
	in, err := f.Owners.FinishAccept(t.Context(), owner.Acceptance{Text: text, State: asked.State, Registration: device.Create(asked.Challenge, []byte(asked.Owner))})
	if err != nil {
		t.Fatal(err)
	}
	return in
}
