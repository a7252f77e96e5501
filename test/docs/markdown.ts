/** A link of a Markdown page. */
export interface Link {
  readonly line: number
  readonly target: string
}

/** The page without the contents of code blocks and comments, line by line. */
function prose(page: string): string[] {
  let fence: string | undefined
  return page
    .replace(/<!--[\s\S]*?-->/g, comment => comment.replace(/[^\n]/g, ''))
    .split('\n')
    .map(line => {
      const [, mark] = /^\s*(```+|~~~+)/.exec(line) ?? []
      if (mark !== undefined && (fence === undefined || mark.startsWith(fence))) {
        fence = fence === undefined ? mark : undefined
        return ''
      }
      return fence === undefined ? line : ''
    })
}

/** Links and images; those in code are text. */
export const links = (page: string): Link[] =>
  prose(page).flatMap((text, at) =>
    [...text.replace(/`[^`]*`/g, '').matchAll(/\]\(([^()\s]+(?:\([^()]*\)[^()\s]*)*)\)/g)].map(([, target = '']) => ({
      line: at + 1,
      target,
    })),
  )

/** The fragments that GitHub gives to a page's headings: a repeated heading gets a number. */
export function anchors(page: string): Set<string> {
  const found = new Set<string>()
  for (const line of prose(page)) {
    const [, heading] = /^#{1,6} +(.*?)(?: +#+)?\s*$/.exec(line) ?? []
    if (heading === undefined) continue
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-')
    let unique = slug
    for (let repeated = 1; found.has(unique); repeated++) unique = `${slug}-${repeated}`
    found.add(unique)
  }
  for (const [, id = ''] of page.matchAll(/<a (?:id|name)="([^"]+)"/g)) found.add(id)
  return found
}
