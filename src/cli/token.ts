/** `tiro token`: a JWT for a voice session, for sites without an OpenID issuer. */
import { formatConfigError, tokenSigningIn } from "../config/mod.ts";
import { ConfigError, InvalidRequestError } from "../domain/mod.ts";
import { makeToken } from "../identity/mod.ts";
import { optionsIn } from "./options.ts";
import { fail, say } from "./output.ts";
import { DEFAULT_HOURS, HOURS_MAX } from "./token_hours.ts";

const OPTIONS = ["user", "tenant", "hours"] as const;

export async function run(args: readonly string[]): Promise<number> {
  const options = optionsIn(args, OPTIONS);
  if (typeof options === "string") return misused(options);
  const { user, tenant, hours = String(DEFAULT_HOURS) } = options;
  if (user === undefined) return misused("--user is missing");
  const count = /^\d+(\.\d+)?$/.test(hours) ? Number(hours) : NaN;
  if (!(count > 0 && count <= HOURS_MAX)) return misused(`--hours takes a number up to ${HOURS_MAX}`);
  try {
    const { secret, audience } = tokenSigningIn(Deno.env.toObject());
    say(
      await makeToken({
        secret: secret.reveal(),
        audience,
        userId: user,
        tenantId: tenant,
        ttlMs: count * 3_600_000,
      }),
    );
    return 0;
  } catch (error) {
    if (error instanceof InvalidRequestError) {
      return misused(`--${error.field === "userId" ? "user" : "tenant"} takes 1 to 256 printable characters`);
    }
    if (!(error instanceof ConfigError)) throw error;
    fail(formatConfigError(error));
    return 78;
  }
}

function misused(what: string): number {
  fail(`tiro token: ${what}; "tiro token --help" describes them`);
  return 64;
}
