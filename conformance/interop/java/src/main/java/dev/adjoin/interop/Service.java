// SPDX-License-Identifier: Apache-2.0
package dev.adjoin.interop;

import com.google.protobuf.Descriptors.FileDescriptor;
import dev.adjoin.interop.gen.EventSourcedModels;
import dev.adjoin.interop.gen.cart.CartMessages;
import io.cloudstate.javasupport.CloudState;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Serves on HOST and PORT, which the SDK reads, prints "listening on ADDRESS" once clients can connect, and ends on
 * SIGTERM as the SDK does.
 */
public final class Service {
  private static final long READY_WITHIN_MILLIS = 60_000;

  private Service() {}

  public static void main(String[] arguments) throws Exception {
    CompletableFuture<?> ended = services().start().toCompletableFuture();
    String host = System.getenv("HOST");
    int port = Integer.parseInt(System.getenv("PORT"));
    awaitPort(ended, new InetSocketAddress(host, port));
    System.out.println("listening on " + host + ":" + port);
    ended.get();
  }

  private static CloudState services() {
    FileDescriptor models = EventSourcedModels.getDescriptor();
    FileDescriptor cart = CartMessages.getDescriptor();
    return new CloudState()
        .registerEventSourcedEntity(TextLog.class, models.findServiceByName("EventSourcedTckModel"), models)
        .registerEventSourcedEntity(SilentLogs.Two.class, models.findServiceByName("EventSourcedTwo"), models)
        .registerEventSourcedEntity(
            SilentLogs.Configured.class, models.findServiceByName("EventSourcedConfigured"), models)
        .registerEventSourcedEntity(Basket.class, cart.findServiceByName("Cart"), cart);
  }

  /** The SDK does not tell when it listens; when it cannot, it ends. */
  private static void awaitPort(CompletableFuture<?> ended, InetSocketAddress address) throws Exception {
    long end = System.currentTimeMillis() + READY_WITHIN_MILLIS;
    while (true) {
      try (Socket socket = new Socket()) {
        socket.connect(address);
        if (ended.isDone()) {
          throw new IllegalStateException("somebody else listens on " + address);
        }
        return;
      } catch (IOException notYet) {
        if (System.currentTimeMillis() > end) {
          throw notYet;
        }
      }
      try {
        ended.get(20, TimeUnit.MILLISECONDS);
        throw new IllegalStateException("the service ended before it listened on " + address);
      } catch (TimeoutException stillStarting) {
        // Asked again.
      }
    }
  }
}
