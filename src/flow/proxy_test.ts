import assert from "@std/assert";
import { proxyFor, type ProxyRules } from "./proxy.ts";

const RULES: ProxyRules = {
  http: "http://proxy.example:3128",
  https: "http://secure.example:3129",
  except: [],
};

const through = (address: string, rules: Partial<ProxyRules> = {}) =>
  proxyFor(new URL(address), { ...RULES, ...rules })?.host;

Deno.test("Secure and plain connections go through the proxy of their kind", () => {
  assert.equal(through("https://cloud.example"), "secure.example:3129");
  assert.equal(through("wss://hpb.example/spreed"), "secure.example:3129");
  assert.equal(through("http://cloud.example"), "proxy.example:3128");
  assert.equal(through("ws://hpb.example:8081/spreed"), "proxy.example:3128");
  assert.equal(through("ws://hpb.example", { http: undefined }), undefined);
  assert.equal(proxyFor(new URL("https://cloud.example"), undefined), undefined);
});

Deno.test("This machine is never reached through a proxy", () => {
  for (const host of ["localhost", "tiro.localhost", "127.0.0.1", "127.8.9.10", "[::1]", "LOCALHOST"]) {
    assert.equal(through(`https://${host}:8080/`), undefined, host);
  }
});

Deno.test("Hosts that are excepted are reached directly", () => {
  const cases: [except: string[], direct: string[], proxied: string[]][] = [
    [["example.org"], ["https://example.org", "wss://hpb.example.org:8443"], [
      "https://notexample.org",
      "https://example.org.evil",
    ]],
    [[".example.org"], ["https://hpb.example.org", "https://example.org"], ["https://example.com"]],
    [["*.example.org", "HPB"], ["https://a.b.example.org", "ws://hpb:8081"], ["ws://hpb2:8081"]],
    [["cloud.example:8443"], ["https://cloud.example:8443"], [
      "https://cloud.example",
      "https://cloud.example:443",
    ]],
    [["cloud.example:443"], ["https://cloud.example", "wss://cloud.example/spreed"], [
      "http://cloud.example",
    ]],
    [["10.0.0.7"], ["http://10.0.0.7:5000"], ["http://10.0.0.70"]],
    [["10.0.0.0/8", "172.16.0.0/12"], ["http://10.9.8.7", "ws://172.31.0.1:81"], [
      "http://172.32.0.1",
      "http://tenth.example",
    ]],
    [["fd00::/8", "[2001:db8::1]"], ["http://[fd12::1]:80", "http://[2001:db8::1]"], [
      "http://[2001:db8::2]",
    ]],
    [["*"], ["https://anything.example"], []],
    [["example.org."], ["https://example.org"], []],
    [["", "::::/99", "10.0.0.0/99", "10.0.0.0/", "/8"], [], ["https://example.org", "http://10.0.0.1"]],
  ];
  for (const [except, direct, proxied] of cases) {
    for (const address of direct) {
      assert.equal(through(address, { except }), undefined, `${except} ${address}`);
    }
    for (const address of proxied) {
      assert.notEqual(through(address, { except }), undefined, `${except} ${address}`);
    }
  }
});
