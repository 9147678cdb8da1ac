import type { Stage } from "./stage";

interface Page {
  readonly jobs: readonly { readonly id: string }[];
  readonly page_info: { readonly has_next_page: boolean; readonly end_cursor: string | null };
}

/** The ids of all scheduled jobs, by the Stacks API, as a polling controller asks for them. @throws when it is refused. */
export async function listScheduled(stage: Stage, queue: string, signal: AbortSignal): Promise<string[]> {
  const stack = `${stage.fake.url}/v3/stacks`;
  const headers = { authorization: `Token ${stage.token}`, "content-type": "application/json" };
  const ids: string[] = [];
  for (let after: string | null = null; ;) {
    const query = new URLSearchParams({ queue_key: queue, limit: "1000", ...(after === null ? {} : { after }) });
    const answer = await fetch(`${stack}/polling/scheduled-jobs?${query.toString()}`, { headers, signal });
    if (answer.status === 404) {
      const body = JSON.stringify({ key: "polling", type: "custom", queue_key: queue, metadata: {} });
      await (await fetch(`${stack}/register`, { method: "POST", headers, body, signal })).text();
      continue;
    }
    if (answer.status !== 200) {
      throw new Error(`the list of scheduled jobs was answered ${answer.status}`);
    }
    const page = (await answer.json()) as Page;
    ids.push(...page.jobs.map(({ id }) => id));
    if (!page.page_info.has_next_page) {
      return ids;
    }
    after = page.page_info.end_cursor;
  }
}
