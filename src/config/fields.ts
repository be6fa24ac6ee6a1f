/** Schemas of the variables. Messages never quote the value: it may be a misplaced secret. */
import { z } from "zod";
import { expectedWord, LIMITS, tidy } from "../domain/mod.ts";
import { Secret } from "./secret.ts";

type Context = z.RefinementCtx;

function fault(context: Context, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

function url(protocols: readonly string[], mayHaveQuery = false) {
  const wanted = protocols.map((protocol) => `${protocol}://`).join(" or ");
  return z.string().transform((value, context): URL => {
    if (!URL.canParse(value)) return fault(context, `is not a URL; it must start with ${wanted}`);
    const url = new URL(value);
    if (!protocols.includes(url.protocol.slice(0, -1))) return fault(context, `must start with ${wanted}`);
    if (url.username || url.password) return fault(context, "must not hold a user name or password");
    if (url.href.includes("#")) return fault(context, "must not hold a # fragment");
    if (!mayHaveQuery && url.href.includes("?")) return fault(context, "must not hold a ? query");
    return url;
  });
}

const withoutEndSlash = (url: string) => url.replace(/\/+$/, "");

/** The HPB's WebSocket address, from any of the four spellings operators use. */
export const hpbUrl = url(["https", "http", "wss", "ws"]).transform((url) => {
  url.protocol = url.protocol.replace("http", "ws");
  const address = withoutEndSlash(url.href);
  return address.endsWith("/spreed") ? address : `${address}/spreed`;
});

/** A base address to append paths to, without a slash at its end. */
export const baseUrl = url(["https", "http"]).transform(({ href }) => withoutEndSlash(href));

/** Nextcloud's address; AppAPI and browsers append the front controller. */
export const nextcloudUrl = baseUrl.transform((url) => withoutEndSlash(url.replace(/\/index\.php$/, "")));

export const webSocketUrl = url(["wss", "ws"], true).transform(({ href }) => href);

/**
 * A proxy's address, as curl accepts it: `http://` may be missing. It may include a user and password, so it is a
 * secret. Undefined for a kind of proxy that is not supported.
 */
export const proxyUrl = z.string().transform((value, context) => {
  const address = value.includes("://") ? value : `http://${value}`;
  if (/^socks\w*:/i.test(address)) return undefined;
  if (!URL.canParse(address)) return fault(context, "is not a URL; it must start with http:// or https://");
  const url = new URL(address);
  if (!["http:", "https:"].includes(url.protocol)) {
    return fault(context, "must start with http:// or https://");
  }
  return new Secret(withoutEndSlash(url.href));
});

/** White space at the ends is a copying mistake. */
export const secretText = z.string()
  .refine((value) => value === value.trim(), "has white space at its start or end")
  .refine((value) => !/\p{Cc}/u.test(value), "holds control characters");

export const headerText = z.string()
  .refine((value) => /^[\x21-\x7e]+$/.test(value), "must be printable ASCII without spaces");

export const secret = secretText.transform((value) => new Secret(value));

/**
 * Random hexadecimal digits of this many are 64 bits: a million guesses a second, which is more than the API answers,
 * find one in 300,000 years on average. AppAPI makes secrets of 128 characters, `openssl rand -hex 16` of 32.
 */
const GUESSED_CHARS = 16;
/** Of 16 random hexadecimal digits there are fewer different ones once in some thousands. */
const GUESSED_DIFFERENT = 6;

/** Whether guessing common choices would find it. */
export function isEasilyGuessed(secret: string): boolean {
  return secret.length < GUESSED_CHARS || new Set(secret).size < GUESSED_DIFFERENT;
}

const EASILY_GUESSED =
  `is easily guessed: it must have ${GUESSED_CHARS} characters or more, ${GUESSED_DIFFERENT} of them different`;

/** The token that clients of the API send. */
export const apiToken = headerText
  .refine((value) => !isEasilyGuessed(value), EASILY_GUESSED)
  .transform((value) => new Secret(value));

/** Authenticates AppAPI to the service, and the service to Nextcloud. */
export const appSecret = secretText
  .refine(
    (value) => !isEasilyGuessed(value),
    `${EASILY_GUESSED}; register the app anew with such a one, or with none: then AppAPI makes it`,
  )
  .transform((value) => new Secret(value));

/** HS256 wants as many bits as its digest has (RFC 7518, section 3.2). */
export const signingSecret = secretText
  .refine((value) => value.length >= 32 && new Set(value).size >= GUESSED_DIFFERENT, {
    message: `must have 32 characters or more, ${GUESSED_DIFFERENT} of them different`,
  })
  .transform((value) => new Secret(value));

export const audience = z.string().max(256, "must be at most 256 characters");

/** It has a password. */
export const databaseUrl = z.string().transform((value, context) => {
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value)) {
    return fault(context, "must be a URL that starts with postgres:// or postgresql://");
  }
  return new Secret(value);
});

/** Part of a host name, which is case-insensitive. */
export const dnsLabel = z.string().toLowerCase()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be letters, digits and hyphens");

export const host = z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, "must be an IP address or a host name");

/** Whether the name or address is of this machine only. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
}

/** An id like `de`, `pt_BR` or `zh-Hans`, or a system's locale like `de_DE.UTF-8@euro`. */
export const language = z.string().regex(
  /^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*(\.[\w-]{1,20})?(@\w{1,20})?$/,
  "must be a language like en or pt-BR",
);

/** As AppAPI writes app ids; travels in an HTTP header. */
export const appId = z.string().regex(/^[a-z0-9_-]{1,64}$/, "must be lower-case letters, digits, _ and -");

/** Travels in an HTTP header. */
export const version = z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/, "must be a version");

/** Linux: sun_path has 108 bytes, the final zero included. */
export const socketPath = z.string().regex(/^\//, "must be an absolute path")
  .refine((path) => new TextEncoder().encode(path).length < 108, "must be shorter than 108 bytes");

/**
 * Folders of the flags in deno.json; a test compares them. Read: for certificates, and in
 * `/etc/tiro` for the words to expect. Write: for the ExApp's state and
 * HaRP's socket.
 */
export const READABLE =
  "/certs, /etc/pki, /etc/ssl, /etc/tiro, /run/secrets or /usr/local/share/ca-certificates";
export const WRITABLE = "/nc_app_live_transcription_data, /storage, /var/lib/tiro or /run/tiro";

/** A socket path that Tiro's permissions include. */
export function permittedSocket(permits: (path: string) => boolean) {
  return socketPath.refine(
    (path) => !path.startsWith("/") || permits(path),
    `names a path where Tiro has no permission; use /tmp/exapp.sock or a path in ${WRITABLE}`,
  );
}

/** Opens a path; the message says what cannot be done, by the name of the error alone. */
function usable<T>(what: "file" | "folder", action: string, use: (path: string) => T) {
  return z.string().transform((path, context) => {
    try {
      return use(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) {
        return fault(
          context,
          `names a ${what} where Tiro has no permission; use ${PERMITTED[what]}`,
        );
      }
      if (error instanceof Deno.errors.NotFound) return fault(context, MISSING[what]);
      const why = error instanceof Error ? error.name : "unknown";
      return fault(context, `names a ${what} that cannot be ${action} (${why})`);
    }
  });
}

const PERMITTED = { file: `a file in ${READABLE}`, folder: `a folder in ${WRITABLE}` };
const MISSING = {
  file: "names a file that does not exist",
  folder: "names a folder that does not exist: create it, writable by Tiro's user",
};

/** `probe` throws where the folder cannot be written to. */
export function writableFolder(probe: (path: string) => void) {
  return usable("folder", "written to", (path) => {
    probe(path);
    return path;
  });
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates in a PEM file, one string each. */
export function certificates(readFile: (path: string) => string) {
  return usable("file", "read", readFile).transform((pem, context): string[] =>
    pem.match(CERTIFICATE) ?? fault(context, "names a file without a PEM certificate in it")
  );
}

/** Words and phrases to expect, a line each. */
export function words(readFile: (path: string) => string) {
  return usable("file", "read", readFile).transform((text, context): string[] => {
    if (text.includes("\ufffd")) return fault(context, "names a file that is not UTF-8");
    const words = new Set<string>();
    for (const [at, line] of text.replace(/^\ufeff/, "").split(/\r?\n/).entries()) {
      if (/^\s*(#|$)/.test(line)) continue;
      const word = expectedWord(line);
      if (word === undefined) {
        const most = LIMITS.expectedWordChars;
        const why = tidy(line).length > most ? `is longer than ${most} characters` : "has no letter or digit";
        return fault(context, `names a file whose line ${at + 1} ${why}`);
      }
      words.add(word);
    }
    if (words.size <= LIMITS.expectedWords) return [...words];
    return fault(
      context,
      `names a file with ${words.size} words or phrases; at most ${LIMITS.expectedWords} are used`,
    );
  });
}

export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.string().regex(/^\d{1,9}$/, message).transform(Number)
    .refine((value) => value >= least && value <= most, message);
}

/** Ports below are privileged. */
const FIRST_OPEN_PORT = 1_024;

/** First and last port of at least `least`; `use` says what they are needed for. */
export function portRange(least: number, use: string) {
  return z.string().transform((value, context): [number, number] => {
    const [, first, last] = (/^(\d{1,5})\s*-\s*(\d{1,5})$/.exec(value) ?? []).map(Number);
    if (!(first >= 1 && first <= last && last <= 65_535)) {
      return fault(context, "must be two ports from 1024 to 65535 with a hyphen between, the lower first");
    }
    if (first < FIRST_OPEN_PORT) {
      return fault(context, "has privileged ports: the first must be 1024 or above");
    }
    const ports = last - first + 1;
    if (ports < least) return fault(context, `has ${ports} ports and needs ${least}: ${use}`);
    return [first, last];
  });
}

const ANY_ADDRESS = ["0.0.0.0", "::"];

/** IP addresses separated by commas, in canonical form: each in `own`, or the wildcard of a family. */
export function localAddresses(most: number, own: () => readonly string[]) {
  return z.string().transform((value, context): string[] => {
    const found: string[] = [];
    const machine = own().map(canonicalAddress);
    for (const entry of value.split(",")) {
      const address = canonicalAddress(entry.trim());
      if (address === undefined) {
        return fault(context, "must be IP addresses of this machine with commas between");
      }
      if (found.includes(address)) return fault(context, "names an address twice");
      const isOwn = ANY_ADDRESS.includes(address) || /^127\./.test(address) || machine.includes(address);
      if (!isOwn) return fault(context, "names an address that this machine does not have");
      found.push(address);
    }
    const isIpv6 = (address: string) => address.includes(":");
    for (const any of ANY_ADDRESS) {
      if (found.includes(any) && found.filter((address) => isIpv6(address) === isIpv6(any)).length > 1) {
        return fault(context, "names all addresses of a family and one of them");
      }
    }
    return found.length <= most ? found : fault(context, `names more than ${most} addresses`);
  });
}

/** Canonical form; undefined where invalid, and for link-local IPv6, which needs a zone as well. */
function canonicalAddress(address: string): string | undefined {
  if (z.ipv4().safeParse(address).success) return address;
  const isUsable = z.ipv6().safeParse(address).success && !/^fe[89ab]/i.test(address);
  return isUsable ? URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) : undefined;
}

/** One of the names, which are lower-case, or an alias of one; in any case. */
export function oneOf<const Name extends string>(
  names: readonly Name[],
  aliases: Readonly<Record<string, Name>> = {},
) {
  return z.string().toLowerCase()
    .transform((word) => Object.hasOwn(aliases, word) ? aliases[word] : word)
    .pipe(z.enum(names, `must be one of ${names.join(", ")}`));
}

/** The name of a provider, or one of its aliases; or of `others`. */
export function providerOf(
  providers: readonly { name: string; aliases?: readonly string[] }[],
  ...others: readonly string[]
) {
  const aliases = providers.flatMap(({ name, aliases = [] }) => aliases.map((alias) => [alias, name]));
  return oneOf([...others, ...providers.map(({ name }) => name)], Object.fromEntries(aliases));
}

/** Names of providers, or their aliases, separated by commas and in order; each once. */
export function providersOf(providers: readonly { name: string; aliases?: readonly string[] }[]) {
  const one = providerOf(providers);
  return z.string().transform((list, context) => {
    const names: string[] = [];
    for (const word of list.split(",")) {
      const { data: name, error } = one.safeParse(word.trim());
      if (word.trim() === "") return fault(context, "has an empty name between its commas");
      if (name === undefined) {
        return fault(context, `${error?.issues[0].message}, or several of them with commas between`);
      }
      if (names.includes(name)) return fault(context, "names a provider twice");
      names.push(name);
    }
    return names;
  });
}

/** A switch, in any of the spellings compose files, shells and Python use; `on` and `off` are for the message. */
export function choice(on: string, off: string) {
  return z.stringbool({
    truthy: ["on", "true", "yes", "1", "t", "y"],
    falsy: ["off", "false", "no", "0", "f", "n"],
    error: `must be ${on} or ${off}`,
  });
}
