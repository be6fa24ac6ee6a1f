/** What an operator may have set, and what a disk may have of the file that is kept. */
import fc from "fast-check";
import { formatConfigError, loadConfig, VARIABLES } from "../../../src/config/mod.ts";
import { ConfigError } from "../../../src/domain/mod.ts";
import { StateFile } from "../../../src/nextcloud/state_file.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, byteChanges, CANARY, changedBytes, mutatedText } from "../mutations.ts";

const COMPLETE = {
  LT_HPB_URL: "https://signaling.example.org",
  LT_INTERNAL_SECRET: "internal-secret",
  NEXTCLOUD_URL: "https://cloud.example.org",
  MODAL_WORKSPACE: "my-workspace",
  MODAL_KEY: "wk-key",
  MODAL_SECRET: "ws-secret",
};
const VALUES = [
  ...[
    "https://a.example.org:8443/x/",
    "wss://a/spreed?token=1#x",
    "http://user:pw@proxy:3128",
    "socks5://a",
    "::1",
    "[::1]:80",
    "0.0.0.0",
  ],
  ...[
    "on",
    "off",
    "1",
    "0",
    "-1",
    "65536",
    "1e3",
    "20000-20100",
    "100-50",
    "127.0.0.1,::1",
    "pt-BR",
    "de",
    "zh-Hans",
    "modal",
    "modal",
    "deepl",
  ],
  ...[
    "pocketsphinx",
    "nextcloud",
    "libretranslate",
    "debug",
    "/storage",
    "/tmp/x.sock",
    "not-a-file",
    "2.1.3",
    "live_transcription",
  ],
  ...[
    "",
    " ",
    "\t x \n",
    "\u0000",
    "é",
    "key:fx",
    "__proto__",
    "constructor",
    `https://${CANARY}@${CANARY}`,
    CANARY,
    "x".repeat(300),
  ],
];
const WORDS = [
  "://",
  ":",
  "/",
  "@",
  "?",
  "#",
  "-",
  ",",
  " ",
  "%00",
  "[",
  "]",
  CANARY,
  "\n",
  "index.php",
  "65535",
];
const names = VARIABLES.map(({ name }) => name);
const secrets = VARIABLES.filter((variable) => "secret" in variable).map(({ name }) => name);
/** A file system and network without surprises but these. */
const MACHINE = {
  read: (path: string) => {
    if (path.includes("not")) throw new Deno.errors.NotFound(path);
    return "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
  },
  probe: (path: string) => {
    if (path.includes("not")) throw new Deno.errors.PermissionDenied(path);
  },
  permits: (path: string) => !path.includes("not"),
  addresses: () => ["192.0.2.1", "2001:db8::1", "127.0.0.1"],
};

export const environment = defineTarget({
  name: "environment",
  about:
    "environment variables: a configuration, or faults that name variables; no value and no secret in either",
  inputs: fc.record({
    isComplete: fc.boolean(),
    set: fc.array(fc.tuple(fc.constantFrom(...names), mutatedText(VALUES, WORDS)), { maxLength: 6 }),
    secret: fc.option(fc.constantFrom(...secrets), { nil: undefined }),
  }),
  inputsPerWorld: 200,
  open: () => ({
    run({ isComplete, set, secret }) {
      const env = {
        ...(isComplete ? COMPLETE : {}),
        ...Object.fromEntries(set),
        ...(secret && { [secret]: `${CANARY}-of-some-length` }),
      };
      try {
        const config = loadConfig(env, MACHINE);
        if (!Object.isFrozen(config)) throw new Error("The configuration is not frozen");
        if (secret) {
          const { proxies: _addresses, ...rest } = config;
          // What is no secret is shown as it was set.
          const isSet = set.some(([, value]) => value.includes(CANARY));
          if (!isSet) {
            assertQuotesNothing(JSON.stringify(rest) + Deno.inspect(rest, { depth: 9 }), "The configuration");
          }
        }
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        if (error.faults.length === 0) throw new Error("There is no fault");
        const isNamed = error.faults.every(({ variable }) => names.some((name) => variable.includes(name)));
        if (!isNamed) throw new Error("A fault names no variable");
        assertQuotesNothing(formatConfigError(error) + error.message, "A fault");
      }
    },
    close() {},
  }),
});

const KEPT = ['{"enabled":true}\n', '{"enabled":false}', '{"enabled":1,"__proto__":{"enabled":true}}'].map((
  text,
) => new TextEncoder().encode(text));

export const state = defineTarget({
  name: "state",
  about: "the file that is kept: read as what it says, or as damaged; never throws",
  inputs: fc.tuple(fc.nat(KEPT.length - 1), byteChanges),
  inputsPerWorld: 500,
  open() {
    const folder = Deno.makeTempDirSync({ prefix: "tiro-fuzz" });
    const file = new StateFile(folder);
    return {
      run([sample, changes]) {
        Deno.writeFileSync(`${folder}/state.json`, changedBytes(KEPT[sample], changes));
        const found = file.read();
        if (found !== "damaged" && (typeof found !== "object" || typeof found.enabled !== "boolean")) {
          throw new Error("What was read is no state");
        }
      },
      close: () => Deno.removeSync(folder, { recursive: true }),
    };
  },
});
