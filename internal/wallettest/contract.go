package wallettest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"walletd/api"
)

// contract is api/openapi.yaml as kin-openapi reads it, made once: it takes a while.
var contract = sync.OnceValues(func() (*checker, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	doc.Servers = nil // it is served on any port here
	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("reading the paths of the contract: %w", err)
	}
	c := &checker{router: router, statuses: map[string][]string{}}
	codes, _ := doc.Components.Schemas["ProblemCode"].Value.Extensions["x-enumDescriptions"].(map[string]any)
	for code, text := range codes {
		statuses, _, _ := strings.Cut(fmt.Sprint(text), ":")
		c.statuses[code] = number.FindAllString(statuses, -1)
	}
	if len(c.statuses) < 50 {
		return nil, fmt.Errorf("the contract describes %d codes; were they moved?", len(c.statuses))
	}
	return c, nil
})

var number = regexp.MustCompile("[0-9]+")

// checker holds requests and answers to the contract. Many may use it at once.
type checker struct {
	router   routers.Router
	statuses map[string][]string // of each code of a problem
}

// options leave the tokens to the service, and need every status in the contract.
func options(leaveBody bool) *openapi3filter.Options {
	o := &openapi3filter.Options{
		AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus:             true,
		RejectWhenRequestBodyNotSpecified: true,
		SkipSettingDefaults:               true,
		ExcludeResponseBody:               leaveBody,
	}
	o.WithCustomSchemaErrorFunc(func(err *openapi3.SchemaError) string {
		return "/" + strings.Join(err.JSONPointer(), "/") + ": " + err.Reason
	})
	return o
}

func (c *checker) find(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := c.router.FindRoute(r)
	return &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options(false)}, err
}

// checkExchange says what of an answer, or of a request that was taken, is not as the contract has
// it, or nil.
func checkExchange(r *http.Request, got *Response) error {
	c, err := contract()
	if err != nil {
		return err
	}
	media := got.Header.Get("Content-Type")
	if got.Header.Get("Cache-Control") == "" && strings.HasPrefix(media, "text/plain") {
		return nil // net/http's own answer to what is no request, which never came to a route
	}
	if err := c.checkProblem(got); err != nil {
		return err
	}
	in, err := c.find(r)
	if _, is := errors.AsType[*routers.RouteError](err); is {
		if got.Status < http.StatusBadRequest && r.Method != http.MethodHead && r.Method != http.MethodOptions {
			return err
		}
		return nil // what is no operation is answered by a problem, or by headers alone
	}
	if err != nil {
		return err
	}
	isFile := !strings.HasSuffix(media, "json") || media == "application/x-ndjson"
	if want := in.Route.Operation.Responses.Status(got.Status); isFile && len(got.Body) > 0 && (want == nil || want.Value.Content.Get(media) == nil) {
		return fmt.Errorf("the contract has no answer %d of type %q", got.Status, media)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.Status, Header: got.Header, Body: io.NopCloser(bytes.NewReader(got.Body)), Options: options(isFile),
	}
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		return fmt.Errorf("the answer is not as the contract has it: %w", err)
	}
	if got.Status >= http.StatusBadRequest {
		return nil
	}
	return CheckRequest(r)
}

// CheckRequest says what of a request that was sent is not as the contract has it, or nil. One
// whose body cannot be read again is not looked at.
func CheckRequest(r *http.Request) error {
	c, err := contract()
	if err != nil {
		return err
	}
	if r.Body != nil && r.GetBody == nil {
		return nil
	}
	if r.Body != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return fmt.Errorf("reading the request again: %w", err)
		}
	}
	in, err := c.find(r)
	if err == nil {
		err = openapi3filter.ValidateRequest(r.Context(), in)
	}
	if err != nil {
		return fmt.Errorf("the request is not as the contract has it: %w", err)
	}
	return nil
}

// checkProblem holds a problem to the statuses that its code comes with.
func (c *checker) checkProblem(got *Response) error {
	if got.Header.Get("Content-Type") != "application/problem+json" || len(got.Body) == 0 {
		return nil
	}
	var p api.Problem
	if err := json.Unmarshal(got.Body, &p); err != nil {
		return fmt.Errorf("reading the problem: %w", err)
	}
	if p.Status != got.Status || !slices.Contains(c.statuses[string(p.Code)], fmt.Sprint(got.Status)) {
		return fmt.Errorf("the code %s comes with %q, not with %d", p.Code, c.statuses[string(p.Code)], got.Status)
	}
	return nil
}
