/** What happens in a fake, for tests that wait for it. */
export class Happenings {
  readonly #watchers = new Set<() => void>();

  happened(): void {
    for (const watch of this.#watchers) watch();
  }

  /** Resolves once `matches` holds, which is checked whenever something happens. */
  async until(matches: () => boolean, deadlineMs = 10_000): Promise<void> {
    if (matches()) return;
    const matched = Promise.withResolvers<void>();
    const watch = () => {
      if (matches()) matched.resolve();
    };
    const timer = setTimeout(
      () => matched.reject(new Error(`Cannot see it happen: not within ${deadlineMs} ms`)),
      deadlineMs,
    );
    this.#watchers.add(watch);
    try {
      await matched.promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watch);
    }
  }
}
