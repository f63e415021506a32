package api_test

import (
	"maps"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"walletd/api"
)

// The contract is OpenAPI, and every example in it is what its schema describes.
func TestExamplesAreAsDescribed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation()); err != nil {
		t.Error(err)
	}
	// Validate looks at those of bodies, parameters and headers, not at those of a schema.
	found := 0
	err = doc.WalkSchemas(func(place string, s *openapi3.SchemaRef) error {
		for _, example := range s.Value.Examples {
			found++
			if err := s.Value.VisitJSON(example, openapi3.EnableJSONSchema2020()); err != nil {
				t.Errorf("%s: %v", place, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 10 {
		t.Errorf("found %d examples of schemas; were they moved?", found)
	}
}

// A claim is one of its ten types, told by the member type, and by nothing else.
func TestEachClaimFitsItsSchema(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	const nonce = "0123456789abcdef"
	filters := []any{map[string]any{"type": []any{"Passport"}, "trustedIssuers": []any{"z1", map[string]any{"did": "z1"}}}}
	claims := map[string]map[string]any{
		"encryptionKey":        {"salt": "notes"},
		"authPrincipal":        {},
		"profile":              {},
		"signature":            {}, // with origin or digest
		"agreement":            {}, // with digest or hash
		"verifiableCredential": {"challenge": nonce},
		"asset":                {"challenge": nonce},
		"assetOrVC":            {"challenge": nonce, "filters": filters},
		"keyPair":              {"moniker": "my-app"},
		"prepareTx":            {},
	}
	claim := doc.Components.Schemas["Claim"].Value
	if n := len(claim.OneOf); n != len(claims) {
		t.Errorf("a claim is one of %d types; %d are tried", n, len(claims))
	}
	fits := func(claim map[string]any) error {
		ask := map[string]any{"requestedClaims": []any{claim}}
		return doc.Components.Schemas["Ask"].Value.VisitJSON(ask, openapi3.EnableJSONSchema2020())
	}
	for name, c := range claims {
		t.Run(name, func(t *testing.T) {
			c["type"], c["of the app's own"] = name, 1.0
			if err := fits(c); err != nil {
				t.Errorf("it is not taken: %v", err)
			}
			for member := range c {
				less := maps.Clone(c)
				delete(less, member)
				if needed := member != "of the app's own"; needed != (fits(less) != nil) {
					t.Errorf("without %q it is taken: %t", member, !needed)
				}
			}
			c["description"] = 7.0
			if fits(c) == nil {
				t.Error("it is taken with a description that is no text")
			}
		})
	}
}
