// SPDX-License-Identifier: Apache-2.0
package dev.adjoin.interop;

import com.google.protobuf.Empty;
import dev.adjoin.interop.gen.cart.CartMessages.AddItemRequest;
import dev.adjoin.interop.gen.cart.CartMessages.BreakRequest;
import dev.adjoin.interop.gen.cart.CartMessages.Contents;
import dev.adjoin.interop.gen.cart.CartMessages.GetCartRequest;
import dev.adjoin.interop.gen.cart.CartMessages.Item;
import dev.adjoin.interop.gen.cart.CartMessages.ItemAdded;
import dev.adjoin.interop.gen.cart.CartMessages.ItemRemoved;
import dev.adjoin.interop.gen.cart.CartMessages.RemoveItemRequest;
import io.cloudstate.javasupport.eventsourced.CommandContext;
import io.cloudstate.javasupport.eventsourced.CommandHandler;
import io.cloudstate.javasupport.eventsourced.EventHandler;
import io.cloudstate.javasupport.eventsourced.EventSourcedEntity;
import io.cloudstate.javasupport.eventsourced.Snapshot;
import io.cloudstate.javasupport.eventsourced.SnapshotHandler;
import java.util.LinkedHashMap;
import java.util.Map;

/** A cart; its items stand in the order in which their products first came. */
@EventSourcedEntity(persistenceId = "cart", snapshotEvery = 3)
public final class Basket {
  private final Map<String, Item> items = new LinkedHashMap<>();

  @CommandHandler
  public Empty addItem(AddItemRequest request, CommandContext context) {
    if (request.getQuantity() <= 0) {
      throw context.fail("cannot add " + request.getQuantity() + " of " + request.getProductId());
    }
    Item.Builder item = Item.newBuilder().setProductId(request.getProductId()).setName(request.getName());
    context.emit(ItemAdded.newBuilder().setItem(item.setQuantity(request.getQuantity())).build());
    return Empty.getDefaultInstance();
  }

  @CommandHandler
  public Empty removeItem(RemoveItemRequest request, CommandContext context) {
    if (!items.containsKey(request.getProductId())) {
      throw context.fail("there is no " + request.getProductId());
    }
    context.emit(ItemRemoved.newBuilder().setProductId(request.getProductId()).build());
    return Empty.getDefaultInstance();
  }

  @CommandHandler
  public Contents getCart(GetCartRequest request) {
    return contents();
  }

  @CommandHandler(name = "Break")
  public Empty fallOver(BreakRequest request) {
    throw new IllegalStateException("broken as asked");
  }

  @EventHandler
  public void added(ItemAdded event) {
    Item item = event.getItem();
    items.merge(item.getProductId(), item, Basket::together);
  }

  private static Item together(Item before, Item added) {
    return before.toBuilder().setQuantity(before.getQuantity() + added.getQuantity()).build();
  }

  @EventHandler
  public void removed(ItemRemoved event) {
    items.remove(event.getProductId());
  }

  @Snapshot
  public Contents contents() {
    return Contents.newBuilder().addAllItems(items.values()).build();
  }

  @SnapshotHandler
  public void contents(Contents snapshot) {
    items.clear();
    snapshot.getItemsList().forEach(item -> items.put(item.getProductId(), item));
  }
}
