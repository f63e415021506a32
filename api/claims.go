package api

import (
	"encoding/json"
	"time"
)

// ClaimName is the type of a claim, as in requests, rules and grants.
type ClaimName string

// The claims that can be asked for, and those of secret storage, which have routes of their own
// and the same names in rules.
const (
	ClaimEncryptionKey        ClaimName = "encryptionKey"
	ClaimAuthPrincipal        ClaimName = "authPrincipal"
	ClaimProfile              ClaimName = "profile"
	ClaimSignature            ClaimName = "signature"
	ClaimAgreement            ClaimName = "agreement"
	ClaimVerifiableCredential ClaimName = "verifiableCredential"
	ClaimAsset                ClaimName = "asset"
	ClaimAssetOrVC            ClaimName = "assetOrVC"
	ClaimKeyPair              ClaimName = "keyPair"
	ClaimPrepareTx            ClaimName = "prepareTx"
	ClaimSecretStorageKey     ClaimName = "secretStorageKey"
	ClaimSecretRead           ClaimName = "secret.read"
	ClaimSecretWrite          ClaimName = "secret.write"
)

// Ask is the body of POST /v1/claims. With an app's token it has RequestedClaims alone; signed,
// without a token, it has the members of AskSigned.
type Ask struct {
	// RequestedClaims are 1 to 16 claims, each a JSON object such as an EncryptionKeyClaim.
	// Members that the server does not know are echoed in the answer.
	RequestedClaims []json.RawMessage `json:"requestedClaims,omitempty"`
	AppPk           string            `json:"appPk,omitempty" min:"1" max:"256"`
	AgentPk         string            `json:"agentPk,omitempty" min:"1" max:"256"`
	AuthInfo        string            `json:"authInfo,omitempty" min:"1" max:"65536"`
}

// AskSigned is a request that proves itself by a signature, in the shape of a DID Connect reply. It
// asks (POST /v1/claims) and collects (POST /v1/claims/{id}).
type AskSigned struct {
	// AppPk is the public key of the app, whose DID is the token's iss.
	AppPk string `json:"appPk" min:"1" max:"256"`
	// AgentPk is the public key of the agent that signs in the app's name, "" if the app signs.
	AgentPk string `json:"agentPk,omitempty" min:"1" max:"256"`
	// AuthInfo is the signed token, which holds the claims.
	AuthInfo string `json:"authInfo" min:"1" max:"65536"`
}

// EncryptionKeyClaim asks for SHA3-256(secret key of the account ‖ salt), 32 bytes.
type EncryptionKeyClaim struct {
	Type        ClaimName `json:"type"` // ClaimEncryptionKey
	Description string    `json:"description,omitempty"`
	// Salt is text that stands for bytes (DID Connect reference b.1).
	Salt string `json:"salt"`
	// Delegation is a token by which the owner of another application lets the asker have that
	// application's key.
	Delegation string          `json:"delegation,omitempty"`
	MFACode    []int           `json:"mfaCode,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"` // echoed
}

// AuthPrincipalClaim asks which account the wallet is.
type AuthPrincipalClaim struct {
	Type        ClaimName `json:"type"` // ClaimAuthPrincipal
	Description string    `json:"description,omitempty"`
	// Target is the address of the account that must answer; "" is the account of the asking app.
	Target     string          `json:"target,omitempty"`
	TargetType *TargetType     `json:"targetType,omitempty"`
	Supervised bool            `json:"supervised,omitempty"`
	MFACode    []int           `json:"mfaCode,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"` // echoed
}

// TargetType is the kind of an account in the names of DID Connect, all lower case. A member that
// is "" has its default.
type TargetType struct {
	Key      string `json:"key,omitempty" min:"1" max:"32"`      // ed25519 unless said; secp256k1, ethereum
	Hash     string `json:"hash,omitempty" min:"1" max:"32"`     // sha3 unless said
	Role     string `json:"role,omitempty" min:"1" max:"32"`     // account unless said
	Encoding string `json:"encoding,omitempty" min:"1" max:"32"` // base58 unless said; base16
}

// Answered is the answer to a request with a token.
type Answered struct {
	// RequestedClaims are the claims as they were asked, each with what answers it: an
	// encryptionKey has the member key.
	RequestedClaims []json.RawMessage `json:"requestedClaims"`
	UserDID         string            `json:"userDid"` // address of the account that answers
	UserPK          string            `json:"userPk"`  // its public key
	Reason          string            `json:"reason"`  // why it was allowed, for people
}

// SignedAnswer is the answer to a signed request, as a wallet gives it to a dApp.
type SignedAnswer struct {
	UserPK string `json:"userPk"`
	// UserInfo is a DID Connect token signed by the account that answers; with SharedKey it is
	// sealed, base58 of AES-256-ECB.
	UserInfo string `json:"userInfo"`
	// SharedKey is base58 of the shared key of a sealed answer, encrypted to the _ek_ of the
	// request.
	SharedKey string `json:"sharedKey,omitempty"`
	Version   string `json:"version,omitempty"` // "1.0.0" of a sealed answer
}

// Pending is the answer 202: the person is asked.
type Pending struct {
	ID        string    `json:"id"`     // to collect the answer by; also the id of the approval
	Status    string    `json:"status"` // "pending"
	Code      string    `json:"code"`   // six letters that stand on the approval too
	ExpiresAt time.Time `json:"expiresAt"`
}

// CollectQuery is the query of GET /v1/claims/{id}.
type CollectQuery struct {
	// Wait is for how many seconds the request is held while the person has not decided.
	Wait int `json:"wait,omitempty" max:"30"`
}
