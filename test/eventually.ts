/** Resolves when `ready` is true; the test's own time limit is the bound. */
export async function eventually(ready: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, 5));
}
