import assert from "@std/assert";
import { signalingUrl } from "./connection.ts";

Deno.test("The HPB's address becomes a WebSocket's, ending in /spreed, however it was written", () => {
  const written = {
    "https://hpb.example": "wss://hpb.example/spreed",
    "http://hpb.example:8080/": "ws://hpb.example:8080/spreed",
    "https://cloud.example/standalone-signaling/": "wss://cloud.example/standalone-signaling/spreed",
    "https://cloud.example/standalone-signaling/spreed/": "wss://cloud.example/standalone-signaling/spreed",
    "wss://hpb.example/spreed": "wss://hpb.example/spreed",
    "ws://127.0.0.1:1/": "ws://127.0.0.1:1/spreed",
  };
  for (const [hpbUrl, url] of Object.entries(written)) assert.equal(signalingUrl(hpbUrl), url);
});
