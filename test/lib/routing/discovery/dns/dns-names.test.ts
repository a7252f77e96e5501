import t from 'tap'
import { candidates, searchDomains, witnesses } from '../../../../../lib/routing/discovery/dns/dns-names.ts'

t.test('a name that ends with a dot is complete', async t => {
  t.strictSame(candidates('_ws._tcp.chat.', ['svc.cluster.local']), ['_ws._tcp.chat.'])
})

t.test('any other name is tried in each search domain, and as it is at last; all end with one dot', async t => {
  t.strictSame(candidates('chat.team', ['svc.cluster.local', 'cluster.local.']), [
    'chat.team.svc.cluster.local.',
    'chat.team.cluster.local.',
    'chat.team.',
  ])
})

t.test('a search domain that is the root, or is listed twice, adds nothing', async t => {
  t.strictSame(candidates('chat', ['.', '', 'a.b', 'a.b.']), ['chat.', 'chat.a.b.'])
})

t.test('the last search line counts, in any spacing', async t => {
  const folder = t.testdir({
    'resolv.conf': [
      'nameserver 10.96.0.10',
      'search corp.internal',
      '#search not.this',
      'search\tteam.svc.cluster.local  cluster.local ',
      'options ndots:5',
      '',
    ].join('\n'),
    none: 'nameserver 10.96.0.10\n',
  })
  t.strictSame(searchDomains(`${folder}/resolv.conf`), ['team.svc.cluster.local', 'cluster.local'])
  t.strictSame(searchDomains(`${folder}/none`), [])
  t.strictSame(searchDomains(`${folder}/missing`), [])
})

t.test('each cluster domain has its witnesses, once', async t => {
  t.strictSame(
    witnesses([
      '_ws._tcp.chat.team.svc.cluster.local.',
      '_ws._tcp.other.team.svc.cluster.local.',
      '_ws._tcp.chat.team.svc.',
      'chat.example.com.',
      '_ws._tcp.chat.team.svc.corp.internal.',
    ]),
    [
      { service: 'kubernetes.default.svc.cluster.local.', version: 'dns-version.cluster.local.' },
      { service: 'kubernetes.default.svc.corp.internal.', version: 'dns-version.corp.internal.' },
    ],
  )
})
