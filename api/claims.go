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

// Every claim may have a description for the owner, of at most 4096 bytes; an mfaCode of three
// numbers from 10 to 99, of which the app shows one; and a meta of any JSON, which is echoed. Members
// that a claim does not have here are echoed too.

// EncryptionKeyClaim asks for SHA3-256(secret key of the account ‖ salt), 32 bytes.
type EncryptionKeyClaim struct {
	Type        ClaimName `json:"type"` // ClaimEncryptionKey
	Description string    `json:"description,omitempty"`
	// Salt is text that stands for bytes (DID Connect reference b.1).
	Salt string `json:"salt"`
	// Delegation is a token by which the owner of another application lets the asker have that
	// application's key; "" asks for one's own.
	Delegation string          `json:"delegation,omitempty"`
	MFACode    []int           `json:"mfaCode,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"`
}

// AuthPrincipalClaim asks which account the wallet is.
type AuthPrincipalClaim struct {
	Type        ClaimName `json:"type"` // ClaimAuthPrincipal
	Description string    `json:"description,omitempty"`
	// Target is the DID of the account that must answer; "" is the account of the asking app.
	Target     string          `json:"target,omitempty"`
	TargetType *TargetType     `json:"targetType,omitempty"`
	Supervised bool            `json:"supervised,omitempty"`
	MFACode    []int           `json:"mfaCode,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"`
}

// ProfileClaim asks for items of the profile: fullName alone unless Items says which.
type ProfileClaim struct {
	Type        ClaimName       `json:"type"` // ClaimProfile
	Description string          `json:"description,omitempty"`
	Items       []string        `json:"items,omitempty"`
	MFACode     []int           `json:"mfaCode,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
}

// SignatureClaim asks for a signature over a text, or over a delegation.
type SignatureClaim struct {
	Type        ClaimName       `json:"type"` // ClaimSignature
	Description string          `json:"description,omitempty"`
	TypeURL     string          `json:"typeUrl,omitempty"` // mime:text/plain unless said; mime:text/html, fg:x:delegation
	Origin      string          `json:"origin,omitempty"`  // the text, at most 16 KiB, in base58btc
	Digest      string          `json:"digest,omitempty"`  // without Origin: signed blindly, if the owner allows it
	Method      string          `json:"method,omitempty"`  // sha3 unless said; the hash of the account's DID, none; of a digest, its hash
	Display     string          `json:"display,omitempty"` // what the app would show instead
	MFACode     []int           `json:"mfaCode,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
}

// AgreementClaim asks that the owner agree to what a digest names.
type AgreementClaim struct {
	Type        ClaimName       `json:"type"` // ClaimAgreement
	Description string          `json:"description,omitempty"`
	URI         string          `json:"uri,omitempty"`
	Digest      string          `json:"digest,omitempty"` // its text is signed
	Hash        string          `json:"hash,omitempty"`   // what older apps call Digest
	Method      string          `json:"method,omitempty"` // of the digest; sha2 unless said
	MFACode     []int           `json:"mfaCode,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
}

// VerifiableCredentialClaim asks for a credential that any of its filters fits. Without Filters its
// own members are the filter.
type VerifiableCredentialClaim struct {
	Type           ClaimName         `json:"type"` // ClaimVerifiableCredential
	Description    string            `json:"description,omitempty"`
	Filters        []AskedFilter     `json:"filters,omitempty"`
	Item           []string          `json:"item,omitempty"` // its types
	Target         string            `json:"target,omitempty"`
	Tag            string            `json:"tag,omitempty"`
	TrustedIssuers []json.RawMessage `json:"trustedIssuers,omitempty"` // a DID, or {"did": …}
	OwnerDID       []string          `json:"ownerDid,omitempty"`
	AcquireURL     string            `json:"acquireUrl,omitempty"`
	Optional       bool              `json:"optional,omitempty"` // an answer without it will do
	Challenge      string            `json:"challenge"`          // 1 to 128 bytes
	MFACode        []int             `json:"mfaCode,omitempty"`
	Meta           json.RawMessage   `json:"meta,omitempty"`
}

// AssetClaim asks for an asset that any of its filters fits. Without Filters its own members are the
// filter.
type AssetClaim struct {
	Type           ClaimName         `json:"type"` // ClaimAsset
	Description    string            `json:"description,omitempty"`
	Filters        []AskedFilter     `json:"filters,omitempty"`
	Target         string            `json:"target,omitempty"`
	Address        string            `json:"address,omitempty"`
	Tag            string            `json:"tag,omitempty"`
	TrustedIssuers []json.RawMessage `json:"trustedIssuers,omitempty"` // a DID, or {"did": …}
	TrustedParents []json.RawMessage `json:"trustedParents,omitempty"`
	OwnerDID       []string          `json:"ownerDid,omitempty"`
	AcquireURL     string            `json:"acquireUrl,omitempty"`
	Optional       bool              `json:"optional,omitempty"` // an answer without it will do
	Challenge      string            `json:"challenge"`          // 16 to 128 letters and digits, which the owner signs
	MFACode        []int             `json:"mfaCode,omitempty"`
	Meta           json.RawMessage   `json:"meta,omitempty"`
}

// AssetOrVCClaim asks for a credential or an asset that any of its filters fits.
type AssetOrVCClaim struct {
	Type        ClaimName       `json:"type"` // ClaimAssetOrVC
	Description string          `json:"description,omitempty"`
	Filters     []AskedFilter   `json:"filters"`
	Optional    bool            `json:"optional,omitempty"` // an answer without it will do
	Challenge   string          `json:"challenge"`          // 16 to 128 letters and digits
	MFACode     []int           `json:"mfaCode,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
}

// AskedFilter is what a credential or an asset must be; what is left out may be anything.
type AskedFilter struct {
	Type           []string          `json:"type,omitempty"` // of a credential: one of them
	Target         string            `json:"target,omitempty"`
	Address        string            `json:"address,omitempty"` // of an asset
	Tag            string            `json:"tag,omitempty"`
	TrustedIssuers []json.RawMessage `json:"trustedIssuers,omitempty"` // a DID, or {"did": …}
	TrustedParents []json.RawMessage `json:"trustedParents,omitempty"`
	OwnerDID       []string          `json:"ownerDid,omitempty"`
	AcquireURL     string            `json:"acquireUrl,omitempty"` // where to get one
}

// KeyPairClaim asks for a new key of an application, which the wallet makes, keeps and gives away.
type KeyPairClaim struct {
	Type        ClaimName       `json:"type"` // ClaimKeyPair
	Description string          `json:"description,omitempty"`
	Moniker     string          `json:"moniker"`               // a letter or digit, then 2 to 128 of those, - and _
	Declare     *bool           `json:"declare,omitempty"`     // nil is true; this wallet registers nothing on a chain
	MigrateFrom string          `json:"migrateFrom,omitempty"` // the DID of the key that the new one is to replace
	TargetType  *TargetType     `json:"targetType,omitempty"`
	MFACode     []int           `json:"mfaCode,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
}

// PrepareTxClaim asks that a transaction be completed and signed, which this wallet refuses.
type PrepareTxClaim struct {
	Type        ClaimName       `json:"type"` // ClaimPrepareTx
	Description string          `json:"description,omitempty"`
	PartialTx   string          `json:"partialTx,omitempty"`
	Requirement json.RawMessage `json:"requirement,omitempty"`
	Display     string          `json:"display,omitempty"`
	Nonce       string          `json:"nonce,omitempty"`
	MFACode     []int           `json:"mfaCode,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
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
	// RequestedClaims are the claims as they were asked, each with the members of its answer: those
	// of an encryptionKey are an EncryptionKeyAnswer.
	RequestedClaims []json.RawMessage `json:"requestedClaims"`
	UserDID         string            `json:"userDid"` // address of the account that answers
	UserPK          string            `json:"userPk"`  // its public key
	Reason          string            `json:"reason"`  // why it was allowed, for people
}

// EncryptionKeyAnswer is what answers an encryptionKey.
type EncryptionKeyAnswer struct {
	Type ClaimName  `json:"type"`
	Key  SecretText `json:"key"` // 32 bytes in base58btc with its z
}

// AuthPrincipalAnswer adds nothing: the account is that of Answered.
type AuthPrincipalAnswer struct {
	Type ClaimName `json:"type"`
}

// ProfileAnswer holds the items that are given.
type ProfileAnswer struct {
	Type      ClaimName `json:"type"`
	DID       string    `json:"did,omitempty"` // of the account that answers
	FullName  string    `json:"fullName,omitempty"`
	Email     string    `json:"email,omitempty"`
	Phone     string    `json:"phone,omitempty"`
	Signature string    `json:"signature,omitempty"`
	Avatar    string    `json:"avatar,omitempty"`
	Birthday  string    `json:"birthday,omitempty"`
	URL       string    `json:"url,omitempty"`
}

// SignatureAnswer is what answers a signature.
type SignatureAnswer struct {
	Type ClaimName `json:"type"`
	Sig  string    `json:"sig"` // base58btc
}

// AgreementAnswer is what answers an agreement.
type AgreementAnswer struct {
	Type   ClaimName `json:"type"`
	Agreed bool      `json:"agreed"` // true
	Sig    string    `json:"sig"`    // over the account's hash of the digest, base58btc
}

// VerifiableCredentialAnswer presents a credential, to a claim for one or to an assetOrVC. It has the
// type alone where the claim was optional and none was given.
type VerifiableCredentialAnswer struct {
	Type         ClaimName `json:"type"`
	Presentation string    `json:"presentation,omitempty"` // JSON, signed (DID Connect reference f.6)
	AssetDID     *string   `json:"assetDid,omitempty"`     // ""
	OwnerDID     string    `json:"ownerDid,omitempty"`     // these three to an assetOrVC
	OwnerPK      string    `json:"ownerPk,omitempty"`
	AgentProof   string    `json:"agentProof,omitempty"`
}

// AssetAnswer presents an asset, to a claim for one or to an assetOrVC. It has the type alone where
// the claim was optional and none was given.
type AssetAnswer struct {
	Type       ClaimName `json:"type"`
	Asset      string    `json:"asset,omitempty"`
	OwnerDID   string    `json:"ownerDid,omitempty"`
	OwnerPK    string    `json:"ownerPk,omitempty"`
	OwnerProof string    `json:"ownerProof,omitempty"` // over the challenge, base58btc
	AgentProof string    `json:"agentProof,omitempty"` // to an assetOrVC
}

// AssetOrVCAnswer says that nothing was given, the claim being optional.
type AssetOrVCAnswer struct {
	Type ClaimName `json:"type"`
}

// KeyPairAnswer is what answers a keyPair.
type KeyPairAnswer struct {
	Type    ClaimName  `json:"type"`
	Secret  SecretText `json:"secret"`  // base58btc: 64 bytes for ed25519, 32 for others
	UserDID string     `json:"userDid"` // the owner's account at the new application
	UserPK  string     `json:"userPk"`
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

// Pending is the answer 202: the owner is asked.
type Pending struct {
	ID        string    `json:"id"`     // to collect the answer by; also the id of the approval
	Status    string    `json:"status"` // "pending"
	Code      string    `json:"code"`   // six letters that stand on the approval too
	ExpiresAt time.Time `json:"expiresAt"`
	// ApproveURL is the page on which the owner decides, if the service has a public URL. Who opens it signs in first.
	ApproveURL string `json:"approveUrl,omitempty"`
}

// CollectQuery is the query of GET /v1/claims/{id}.
type CollectQuery struct {
	// Wait is for how many seconds the request is held while the owner has not decided.
	Wait int `json:"wait,omitempty" max:"30"`
}
