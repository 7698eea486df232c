// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"adjoin.dev/interop/gen/cart"
	"github.com/cloudstateio/go-support/cloudstate/eventsourced"
	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes/empty"
)

// basket holds items in the order in which their products first came.
type basket struct{ items []*cart.Item }

func newCart(eventsourced.EntityID) eventsourced.EntityHandler { return &basket{} }

func (b *basket) HandleCommand(ctx *eventsourced.Context, name string, command proto.Message) (proto.Message, error) {
	switch c := command.(type) {
	case *cart.AddItemRequest:
		if c.GetQuantity() <= 0 {
			return nil, fmt.Errorf("cannot add %d of %s", c.GetQuantity(), c.GetProductId())
		}
		item := &cart.Item{ProductId: c.GetProductId(), Name: c.GetName(), Quantity: c.GetQuantity()}
		ctx.Emit(&cart.ItemAdded{Item: item})
		return &empty.Empty{}, nil
	case *cart.RemoveItemRequest:
		if b.place(c.GetProductId()) < 0 {
			return nil, fmt.Errorf("there is no %s", c.GetProductId())
		}
		ctx.Emit(&cart.ItemRemoved{ProductId: c.GetProductId()})
		return &empty.Empty{}, nil
	case *cart.GetCartRequest:
		return &cart.Contents{Items: b.items}, nil
	case *cart.BreakRequest:
		// An event that its handler does not know fails the stream; a refusal would only fail the command.
		ctx.Emit(c)
		return &empty.Empty{}, nil
	}
	return nil, unknown(name, command)
}

func (b *basket) HandleEvent(_ *eventsourced.Context, event interface{}) error {
	switch e := event.(type) {
	case *cart.ItemAdded:
		b.add(e.GetItem())
	case *cart.ItemRemoved:
		if place := b.place(e.GetProductId()); place >= 0 {
			b.items = append(b.items[:place], b.items[place+1:]...)
		}
	default:
		return unknown("event", event)
	}
	return nil
}

func (b *basket) add(item *cart.Item) {
	if place := b.place(item.GetProductId()); place >= 0 {
		b.items[place].Quantity += item.GetQuantity()
		return
	}
	// The event goes on living in the SDK until it is sent; what is added to later is a copy.
	b.items = append(b.items, proto.Clone(item).(*cart.Item))
}

func (b *basket) place(product string) int {
	for place, item := range b.items {
		if item.GetProductId() == product {
			return place
		}
	}
	return -1
}

func (b *basket) Snapshot(*eventsourced.Context) (interface{}, error) {
	return &cart.Contents{Items: b.items}, nil
}

func (b *basket) HandleSnapshot(_ *eventsourced.Context, snapshot interface{}) error {
	contents, ok := snapshot.(*cart.Contents)
	if !ok {
		return unknown("snapshot", snapshot)
	}
	b.items = contents.GetItems()
	return nil
}
