package client

import (
	"context"
	"iter"

	"walletd/api"
)

// All iterates over all pages of a list, from its beginning:
//
//	for grant, err := range client.All(ctx, wallet.Grants) {
//
// An error ends it.
func All[T any](ctx context.Context, list func(context.Context, api.Page) (api.List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page := (api.Page{Limit: 200}); ; {
			l, err := list(ctx, page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range l.Items {
				if !yield(item, nil) {
					return
				}
			}
			if l.Next == "" {
				return
			}
			page.Cursor = l.Next
		}
	}
}
