// SPDX-License-Identifier: Apache-2.0
package dev.adjoin.interop;

import com.google.protobuf.Descriptors.FileDescriptor;
import dev.adjoin.interop.gen.EventSourcedModels;
import dev.adjoin.interop.gen.cart.CartMessages;
import io.cloudstate.javasupport.CloudState;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.CompletionStage;

/**
 * Serves on HOST and PORT, which the SDK reads, prints "listening on ADDRESS" once clients can connect, and ends on
 * SIGTERM as the SDK does.
 */
public final class Service {
  private static final long READY_WITHIN_MILLIS = 60_000;

  private Service() {}

  public static void main(String[] arguments) throws Exception {
    CompletionStage<?> ended = services().start();
    String host = System.getenv("HOST");
    int port = Integer.parseInt(System.getenv("PORT"));
    awaitPort(new InetSocketAddress(host, port));
    System.out.println("listening on " + host + ":" + port);
    ended.toCompletableFuture().get();
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

  /** The SDK does not tell when it listens. */
  private static void awaitPort(InetSocketAddress address) throws IOException, InterruptedException {
    long end = System.currentTimeMillis() + READY_WITHIN_MILLIS;
    while (true) {
      try (Socket socket = new Socket()) {
        socket.connect(address);
        return;
      } catch (IOException notYet) {
        if (System.currentTimeMillis() > end) {
          throw notYet;
        }
        Thread.sleep(20);
      }
    }
  }
}
