// The workflows of the documentation, one for each kind of session.
const profile = {fields: ['fullName', 'email'], description: 'Tell us who you are', meta: {form: 'welcome'}};
const text = (data) => ({data, type: 'mime:text/plain', description: 'Sign this text', meta: {article: 7}});

export function demo({attach}) {
  const welcome = ({userDid}) => ({successMessage: `Welcome ${userDid}`});

  attach({action: 'login', onAuth: welcome});
  attach({action: 'profile', claims: {profile: () => ({...profile})}, onAuth: welcome});

  const key = (salt) => ({salt, description: 'Open your notes'});
  // All of a step that is a key goes over the encrypted channel; beside another claim it does not.
  attach({action: 'key', claims: {encryptionKey: () => key('notes')}});
  attach({action: 'plain-key', claims: {encryptionKey: () => key('notes'), profile: () => ({...profile})}});
  attach({action: 'hex-key', claims: {encryptionKey: () => key('0x5a17')}});

  attach({
    action: 'several',
    claims: {
      profile: () => ({...profile}),
      first: ['signature', () => text('I was here.')],
      second: ['signature', () => ({...text('<h1>I <b>was</b> here</h1>'), type: 'mime:text/html'})],
    },
  });
  attach({action: 'steps', claims: [{profile: () => ({...profile})}, {signature: () => text('And then?')}, {encryptionKey: () => key('notes')}]});
  attach({action: 'dynamic', onConnect: ({userDid}) => ({signature: () => text(`You are ${userDid}.`), profile: () => ({...profile})})});
  attach({action: 'no-principal', authPrincipal: false, claims: {profile: () => ({...profile})}});
  attach({action: 'mfa', claims: {signature: () => ({...text('Pick the number'), mfa: true})}});

  attach({action: 'first', claims: {signature: () => text('One')}, onAuth: () => ({nextWorkflowData: {basket: [1, 2]}})});
  attach({action: 'second', claims: {signature: () => text('Two')}, onAuth: welcome});

  attach({
    action: 'ethereum',
    authPrincipal: {description: 'Which is your Ethereum account?', targetType: {key: 'ethereum', hash: 'keccak', encoding: 'base16'}},
    claims: [{signature: () => text('From my Ethereum account')}, {encryptionKey: () => key('notes')}],
  });
  attach({action: 'broken', onAuth: () => { throw new Error('This user is not welcome'); }});
}
