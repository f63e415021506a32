// The program asks for an encryptionKey with the client that ogen makes of the contract.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walletd-contract/ogen/walletd"
	"walletd-contract/run"
)

func main() { run.Main(ask) }

// token is how requests say who asks.
type token string

func (t token) Bearer(context.Context, walletd.OperationName) (walletd.Bearer, error) {
	return walletd.Bearer{Token: string(t)}, nil
}

func ask(ctx context.Context, in run.Input, waits func(run.Pending)) (key string, err error) {
	c, err := walletd.NewClient(in.URL, token(in.Token))
	if err != nil {
		return "", err
	}
	claim := walletd.NewEncryptionKeyClaimClaim(walletd.EncryptionKeyClaim{Salt: walletd.Salt(in.Salt)})
	body := walletd.NewAskWithTokenAsk(walletd.AskWithToken{RequestedClaims: []walletd.Claim{claim}})
	asked, err := c.AskClaims(ctx, body, walletd.AskClaimsParams{})
	if err != nil {
		return "", err
	}
	var p walletd.Pending
	switch asked := asked.(type) {
	case *walletd.Answer:
		answered, ok := asked.GetAnswered()
		if !ok {
			return "", errors.New("what is answered is a signed request")
		}
		return keyOf(answered)
	case *walletd.AskedHeaders:
		p = asked.Response
	default:
		return "", fmt.Errorf("asked: %+v", asked)
	}
	waits(run.Pending{ID: p.ID, Code: string(p.Code), Expires: time.Time(p.ExpiresAt)})
	got, err := c.CollectClaims(ctx, walletd.CollectClaimsParams{ID: p.ID, Wait: walletd.NewOptInt(30)})
	if err != nil {
		return "", err
	}
	collected, ok := got.(*walletd.CollectedHeaders)
	if !ok {
		return "", fmt.Errorf("collected: %+v", got)
	}
	answered, ok := collected.Response.GetAnswered()
	if !ok {
		return "", errors.New("what is collected is no claim")
	}
	return keyOf(answered)
}

func keyOf(a walletd.Answered) (string, error) {
	if len(a.RequestedClaims) != 1 {
		return "", fmt.Errorf("%d claims are answered", len(a.RequestedClaims))
	}
	key, ok := a.RequestedClaims[0].GetEncryptionKeyAnswer()
	if !ok {
		return "", errors.New("what is answered is no encryptionKey")
	}
	return string(key.Key), nil
}
