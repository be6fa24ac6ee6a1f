/**
 * Nextcloud's TaskProcessing: whichever translation app the administrator has installed. A task is scheduled, then polled
 * until it is done (OCS `taskprocessing/tasks_consumer`, for ExApps; task type `core:text2text:translate`). Nextcloud
 * would keep it for a week, with the speech and its translation, so it is deleted afterwards.
 */
import { z } from "zod";
import { type Clock, languageOf, TiroError, type Translator } from "../../domain/mod.ts";
import { delay, type Scope } from "../../flow/mod.ts";
import { callError, statusError, translationError, unreadableAnswer } from "../errors.ts";
import { originAmong } from "../languages.ts";
import { listOf, unknownMap } from "../lists.ts";
import type { Ocs } from "../provider.ts";

export interface TaskProcessingSettings {
  ocs: Ocs;
  /** The ExApp that owns the tasks. */
  appId: string;
  /** Owns the deleting, which no caption waits for. */
  scope: Scope;
  clock: Clock;
}

const TASK_TYPE = "core:text2text:translate";
const CONSUMER = "taskprocessing/tasks_consumer";
/** Tasks run in the background, seldom in less than a second; every poll is a request to PHP. */
const FIRST_POLL_MS = 250;
const POLL_INTERVAL_MAX_MS = 1_000;
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
  /** Source languages as last listed. */
  let origins: readonly string[] = [];

  const request = async (
    method: "GET" | "POST" | "DELETE",
    path: string,
    signal: AbortSignal,
    body?: unknown,
  ) => {
    const reply = await ocs.request({ method, path, body, timeoutMs: REQUEST_TIMEOUT_MS, signal });
    if (reply.status !== 200) throw statusError(reply.status);
    return reply;
  };

  /** The task's state; undefined after an error that may pass. */
  const poll = async (id: number, signal: AbortSignal): Promise<Task | undefined> => {
    try {
      return taskOf(await request("GET", `/ocs/v1.php/${CONSUMER}/task/${id}`, signal));
    } catch (error) {
      // A throttled client gets no answer within this caption's time.
      if (error instanceof TiroError && error.retryable && error.code !== "throttled") return undefined;
      throw error;
    }
  };

  /** At most as many at once as there are translations in flight. A failure is ignored: Nextcloud deletes after a week. */
  const remove = ({ id }: Task) => {
    if (scope.signal.aborted) return;
    scope.run(async (signal) => {
      await request("DELETE", `/ocs/v2.php/${CONSUMER}/task/${id}`, signal).catch(() => {});
    });
  };

  return {
    name: "nextcloud",
    async languages(signal) {
      try {
        const { data } = await request("GET", `/ocs/v2.php/${CONSUMER}/tasktypes`, signal);
        const { [TASK_TYPE]: type } = read(TaskTypes, data).types;
        if (type === undefined) {
          throw translationError("Nextcloud has no translation app", "translation_no_provider");
        }
        const choices = read(TranslateType, type).inputShapeEnumValues;
        const list = (slot: string) =>
          read(Choices, choices[slot] ?? []).map(({ name, value }) => languageOf(value, name));
        const languages = { origin: list("origin_language"), target: list("target_language") };
        origins = languages.origin.map(({ id }) => id);
        return languages;
      } catch (error) {
        throw callError(error, signal);
      }
    },
    async translate({ text, originId, targetId }, signal) {
      let task: Task | undefined;
      try {
        const input = {
          input: text,
          origin_language: originAmong(origins, originId) ?? originId,
          target_language: targetId,
        };
        const body = { type: TASK_TYPE, appId, customId: "captions", input };
        task = taskOf(await request("POST", `/ocs/v2.php/${CONSUMER}/schedule`, signal, body));
        for (let waitMs = FIRST_POLL_MS; task.status !== "STATUS_SUCCESSFUL";) {
          if (FAILED.has(task.status)) throw translationError("the task failed", "translation_server");
          await delay(waitMs, signal, clock);
          waitMs = Math.min(waitMs * 2, POLL_INTERVAL_MAX_MS);
          task = await poll(task.id, signal) ?? task;
        }
        return read(Output, task.output).output;
      } catch (error) {
        throw callError(error, signal);
      } finally {
        if (task) remove(task);
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
