// The program asks for an encryptionKey with the client that oapi-codegen makes of the contract.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"walletd-contract/oapi/walletd"
	"walletd-contract/run"
)

func main() { run.Main(ask) }

func ask(ctx context.Context, in run.Input, waits func(run.Pending)) (key string, err error) {
	bearer := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+in.Token)
		return nil
	}
	c, err := walletd.NewClientWithResponses(in.URL, walletd.WithRequestEditorFn(bearer))
	if err != nil {
		return "", err
	}
	var claim walletd.Claim
	if err := claim.FromEncryptionKeyClaim(walletd.EncryptionKeyClaim{Salt: in.Salt}); err != nil {
		return "", err
	}
	var body walletd.Ask
	if err := body.FromAskWithToken(walletd.AskWithToken{RequestedClaims: []walletd.Claim{claim}}); err != nil {
		return "", err
	}
	asked, err := c.AskClaimsWithResponse(ctx, nil, body)
	if err != nil {
		return "", err
	}
	switch {
	case asked.JSON200 != nil:
		answered, err := asked.JSON200.AsAnswered()
		if err != nil {
			return "", err
		}
		return keyOf(answered)
	case asked.JSON202 == nil:
		return "", fmt.Errorf("asked: %s %s", asked.Status(), asked.Body)
	}
	p := asked.JSON202
	waits(run.Pending{ID: p.Id, Code: p.Code, Expires: p.ExpiresAt})
	seconds := 30
	got, err := c.CollectClaimsWithResponse(ctx, p.Id, &walletd.CollectClaimsParams{Wait: &seconds})
	if err != nil {
		return "", err
	}
	if got.JSON200 == nil {
		return "", fmt.Errorf("collected: %s %s", got.Status(), got.Body)
	}
	answered, err := got.JSON200.AsAnswered()
	if err != nil {
		return "", err
	}
	return keyOf(answered)
}

func keyOf(a walletd.Answered) (string, error) {
	if len(a.RequestedClaims) != 1 {
		return "", fmt.Errorf("%d claims are answered", len(a.RequestedClaims))
	}
	answer, err := a.RequestedClaims[0].ValueByDiscriminator()
	if err != nil {
		return "", err
	}
	key, ok := answer.(walletd.EncryptionKeyAnswer)
	if !ok {
		return "", errors.New("what is answered is no encryptionKey")
	}
	return key.Key, nil
}
