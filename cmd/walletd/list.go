package main

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// page is which part of a list to show.
type page struct {
	Limit  int    `default:"50" placeholder:"N" help:"At most this many, up to 200."`
	Cursor string `placeholder:"CURSOR" help:"Go on where the page before ended."`
}

// list is one page as the service answers it.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// showList fetches one page of a list and shows it: with --json as it came, else as a table.
func showList[T any](ctx context.Context, con *console, c *client, path string, p page, query url.Values, headings string, row func(T) []string) error {
	if query == nil {
		query = url.Values{}
	}
	if p.Limit > 0 {
		query.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.Cursor != "" {
		query.Set("cursor", p.Cursor)
	}
	answer, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	return show(con, answer, func(l list[T]) {
		rows := make([][]string, len(l.Items))
		for i, item := range l.Items {
			rows[i] = row(item)
		}
		con.table(headings, rows)
		if l.Next != "" {
			con.notef("There are more: --cursor %s\n", shellQuote(l.Next))
		}
	})
}

// day shows a time of the service's in this machine's zone; "" stays "".
func day(t string) string {
	at, err := time.Parse(time.RFC3339, t)
	if err != nil {
		return t
	}
	return at.Local().Format("2006-01-02 15:04:05")
}

// yesNo shows a truth in a table.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
