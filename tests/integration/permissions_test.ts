/** The permissions of `deno task start`: enough for the service (cli_test.ts runs it with them), and no more. */
import assert from "@std/assert";
import { makeCertificates } from "../fakes/certificates.ts";
import { startFlags } from "../load/start_flags.ts";

Deno.test("The start task's permissions are those the service needs, and every other is refused", async () => {
  const authority = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(authority, (await makeCertificates("IP:127.0.0.1")).ca);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...startFlags(), "--quiet", "tests/integration/permitted.ts"],
    cwd: new URL("../../", import.meta.url),
    env: {
      LT_HPB_URL: "ws://hpb",
      NO_COLOR: "1",
      // As many systems have it, where /bin is a link to /usr/bin.
      PATH: "/bin:/usr/bin",
      // As sites with a certificate authority of their own have it, for other programs.
      NODE_EXTRA_CA_CERTS: authority,
    },
    stdin: "null",
  }).output();
  await Deno.remove(authority);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  const { refused, ...permitted } = JSON.parse(text(stdout));
  assert.deepEqual(permitted, {
    libcSockets: true,
    memory: true,
    groups: true,
    notThere: null,
    interfaces: true,
    connectsOverTls: true,
    looksForPocketsphinx: true,
    readsModels: true,
    loadsRuntime: true,
    downloadsModels: true,
    ownVariable: "ws://hpb",
    otherVariables: [],
  });
  assert.deepEqual(Object.entries(refused).filter(([, isRefused]) => !isRefused), []);
});
