/**
 * Nextcloud's TaskProcessing: whichever translation app the administrator has installed. A task is scheduled and asked
 * for until it is done (OCS `taskprocessing/tasks_consumer`, for ExApps; task type `core:text2text:translate`).
 * Nextcloud would keep it for a week, with what was said and its translation; so it is deleted when it is done with.
 */
import { z } from "zod";
import { type Clock, TiroError, type Translator } from "../../domain/mod.ts";
import { delay, type Scope } from "../../flow/mod.ts";
import { callError, statusError, translationError, unreadableAnswer } from "../errors.ts";
import { languageOf, originAmong } from "../languages.ts";
import { listOf, unknownMap } from "../lists.ts";
import type { Ocs } from "../provider.ts";

export interface TaskProcessingSettings {
  ocs: Ocs;
  /** Whose tasks these are. */
  appId: string;
  /** Owns the deleting, for which no reader waits. */
  scope: Scope;
  clock: Clock;
}

const TASK_TYPE = "core:text2text:translate";
const CONSUMER = "taskprocessing/tasks_consumer";
/** Tasks run in the background, seldom in less than a second; every look is a request to PHP. */
const FIRST_LOOK_MS = 250;
const LOOKS_APART_MAX_MS = 1_000;
/** One request; a task takes several. */
const REQUEST_TIMEOUT_MS = 5_000;

const Choices = listOf(z.object({ name: z.string(), value: z.string() }));
const TaskTypes = z.object({ types: unknownMap });
const TranslateType = z.object({ inputShapeEnumValues: unknownMap });
const TaskReply = z.object({ task: z.object({ id: z.number(), status: z.string(), output: z.unknown() }) });
const Output = z.object({ output: z.string() });
type Task = z.infer<typeof TaskReply>["task"];

const FAILED = new Set(["STATUS_FAILED", "STATUS_CANCELLED", "STATUS_UNKNOWN"]);

export function taskProcessingTranslator({ ocs, appId, scope, clock }: TaskProcessingSettings): Translator {
  /** What can be translated from, as last told. */
  let origins: ReadonlySet<string> = new Set();

  const request = async (
    call: { method: "GET" | "POST" | "DELETE"; path: string; body?: unknown },
    signal: AbortSignal,
  ) => {
    const reply = await ocs.request({ ...call, timeoutMs: REQUEST_TIMEOUT_MS, signal });
    if (reply.status !== 200) throw statusError(reply.status);
    return reply;
  };

  const schedule = async (text: string, originId: string, targetId: string, signal: AbortSignal) => {
    const body = {
      type: TASK_TYPE,
      appId,
      customId: "captions",
      input: {
        input: text,
        origin_language: originAmong(origins, originId) ?? originId,
        target_language: targetId,
      },
    };
    const path = `/ocs/v2.php/${CONSUMER}/schedule`;
    return taskOf(await request({ method: "POST", path, body }, signal));
  };

  /** The task as it is now; undefined when Nextcloud does not say, which may pass. */
  const look = async (id: number, signal: AbortSignal): Promise<Task | undefined> => {
    try {
      return taskOf(await request({ method: "GET", path: `/ocs/v1.php/${CONSUMER}/task/${id}` }, signal));
    } catch (error) {
      // Asked to wait, it will not say before this caption is forgotten.
      if (error instanceof TiroError && error.retryable && error.code !== "throttled") return undefined;
      throw error;
    }
  };

  /** At most as many at once as there are translations under way. What fails here Nextcloud does in a week. */
  const forget = ({ id }: Task) => {
    if (scope.signal.aborted) return;
    scope.run(async (signal) => {
      await request({ method: "DELETE", path: `/ocs/v2.php/${CONSUMER}/task/${id}` }, signal).catch(() => {});
    });
  };

  return {
    name: "nextcloud",
    async languages(signal) {
      try {
        const { data } = await request(
          { method: "GET", path: `/ocs/v2.php/${CONSUMER}/tasktypes` },
          signal,
        );
        const { [TASK_TYPE]: type } = read(TaskTypes, data).types;
        if (type === undefined) {
          throw translationError("Nextcloud has no translation app", "translation_no_provider");
        }
        const choices = read(TranslateType, type).inputShapeEnumValues;
        const list = (slot: string) =>
          read(Choices, choices[slot] ?? []).map(({ name, value }) => languageOf(value, name));
        const languages = { origin: list("origin_language"), target: list("target_language") };
        origins = new Set(languages.origin.map(({ id }) => id));
        return languages;
      } catch (error) {
        throw callError(error, signal);
      }
    },
    async translate({ text, originId, targetId }, signal) {
      let task: Task | undefined;
      try {
        task = await schedule(text, originId, targetId, signal);
        for (let waitMs = FIRST_LOOK_MS; task.status !== "STATUS_SUCCESSFUL";) {
          if (FAILED.has(task.status)) throw translationError("the task failed", "translation_server");
          await delay(waitMs, signal, clock);
          waitMs = Math.min(waitMs * 2, LOOKS_APART_MAX_MS);
          task = await look(task.id, signal) ?? task;
        }
        return read(Output, task.output).output;
      } catch (error) {
        throw callError(error, signal);
      } finally {
        if (task) forget(task);
      }
    },
  };
}

function taskOf({ data }: { data: unknown }): Task {
  return read(TaskReply, data).task;
}

function read<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (!result.success) throw unreadableAnswer();
  return result.data;
}
