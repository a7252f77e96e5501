import t from 'tap'
import { anchors, links } from './markdown.ts'

t.test('links are found with their lines, but not in code and comments', async t => {
  const page = [
    'See [one](a.md) and [`two`](b.md#c).',
    '',
    '```',
    '[no](in-a-block.md)',
    '```',
    '`[no](in-code.md)` <!-- [no](in-a-comment.md) -->',
    '![three](c_(d).png)',
  ].join('\n')
  t.same(links(page), [
    { line: 1, target: 'a.md' },
    { line: 1, target: 'b.md#c' },
    { line: 7, target: 'c_(d).png' },
  ])
})

t.test('anchors are those of GitHub', async t => {
  const page =
    '# Who owns a user?\n## `keep`, and [more](x.md)\n## Twice\n## Twice\n## Größe – 2\n```\n# no\n```\n<a id="own"></a>'
  t.same([...anchors(page)], ['who-owns-a-user', 'keep-and-more', 'twice', 'twice-1', 'größe--2', 'own'])
})
