#!/bin/sh
# A device of a Portcullis fleet in shell: curl, openssl 3 and the usual small tools.
#
#   device.sh enrol DIR < TOKEN      make a key in DIR, and get a certificate for it with the token
#   device.sh send DIR STREAM        send standard input, JSON objects one a line, in one request
#   device.sh renew DIR [--now]      a new key and certificate, when the authority said so (or now): signed for by the old key,
#                                    and confirmed with the new one
#   device.sh est DIR URL ROOT GATE < USER:SECRET      the first by EST (RFC 7030): URL of the desk's EST, ROOT a file with the fleet's root
#                                    certificate, brought by a trusted way, GATE the URL of a gate. It renews by EST too
#
# It keeps no readings: what was not acknowledged (exit status 1) is the caller's to send again.
# A secret is never an argument of a program: arguments are seen by every user of the machine.
set -eu
umask 077

usage() { sed -n '4,10s/^# //p' "$0" >&2; exit 2; }
die() { echo "device.sh: $*" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# One member of the JSON object on standard input whose value is a text. Fits what our servers write: compact, one line, and only \n
# escaped within what is asked for here. What does not look like that is taken for missing.
text_of() {
  sed -n "s/.*[{,]\"$1\":\"\([^\"\\\\]*\(\\\\n[^\"\\\\]*\)*\)\".*/\1/p" | sed 's/\\n/\
/g'
}

# The texts of the list named $1 in the JSON object on standard input, one a line.
texts_of() { { sed -n "s/.*[{,]\"$1\":\[\([^]]*\)\].*/\1/p"; echo; } | tr ',' '\n' | tr -d '"' | sed '/^$/d'; }

# $1: file of an answer, $2: member. Dies where it is missing.
member() {
  text_of "$2" < "$1" > "$work/member"
  [ -s "$work/member" ] || die "the answer has no \"$2\""
  cat "$work/member"
}

base64_of() { openssl base64 -A; }

# A challenge that the answer must name, so that no older answer passes for it.
new_challenge() { openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n'; }

# SHA-256 of standard input in hexadecimal digits.
sha256() { openssl dgst -sha256 -r | cut -d ' ' -f 1; }

# $1: key file; standard input: what is signed.
signature() { openssl dgst -sha256 -sign "$1" | base64_of; }

# The subject alternative names of a certificate, one a line.
names_of() {
  openssl x509 -in "$1" -noout -ext subjectAltName | sed -n '2,$p' | sed 's/, /\
/g; s/^ *//'
}

public_key_of() { openssl x509 -in "$1" -noout -pubkey; }

# Verifies a server and leaves in $work/pin the only key that curl may then speak to. curl checks chain and host name, but not the
# role in the certificate's URI: a gate could pose as the authority.
# $1: https://HOST:PORT, $2: roots, $3: role, $4: fleet (both regular expressions), then further options of s_client
verify_server() {
  url=$1 roots=$2 role=$3 fleet=$4
  shift 4
  authority=${url#https://}
  case $url in https://*:*) ;; *) die "\"$url\" is not https://HOST:PORT; plaintext is never spoken" ;; esac
  host=${authority%:*}
  case $host in
    \[*\]) plain=${host#\[}; plain=${plain%\]}; set -- "$@" -verify_ip "$plain" ;;
    *[!0-9.]*) set -- "$@" -verify_hostname "$host" -servername "$host" ;;
    *) set -- "$@" -verify_ip "$host" ;;
  esac
  openssl s_client -connect "$authority" -tls1_3 -CAfile "$roots" -no-CApath -no-CAstore -x509_strict \
    -verify 3 -verify_return_error "$@" < /dev/null > "$work/handshake" 2> "$work/why" || true
  # The exit status may also tell of a goodbye that was not polite; this line tells what was verified.
  grep -q '^Verify return code: 0 (ok)$' "$work/handshake" ||
    die "\"$authority\" could not be verified: $(grep -m1 -i 'error' "$work/why" || echo 'no handshake'); nothing was sent"
  openssl x509 -in "$work/handshake" -out "$work/server.pem" 2> /dev/null || die "\"$authority\" sent no certificate; nothing was sent"
  names_of "$work/server.pem" | grep -Eqx "URI:spiffe://$fleet/$role/[a-z0-9][a-z0-9._-]{0,62}" ||
    die "\"$authority\" is not the fleet's $role; nothing was sent"
  public_key_of "$work/server.pem" | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64_of > "$work/pin"
  [ "$(wc -c < "$work/pin")" -eq 44 ] || die "the key of \"$authority\" can not be read; nothing was sent"
}

# curl as every request needs it. $1: url with path, $2: roots, then further options. Leaves $work/answer and $work/status.
ask_server() {
  url=$1 roots=$2
  shift 2
  rm -f "$work/answer" "$work/status"
  curl --disable --silent --show-error --proto =https --tlsv1.3 --noproxy '*' --capath /nonexistent --cacert "$roots" \
    --pinnedpubkey "sha256//$(cat "$work/pin")" --max-time 60 --max-filesize 1048576 \
    --output "$work/answer" --write-out '%{http_code}' "$@" "$url" > "$work/status" || die "no answer from $url"
}

# $1: url with path, $2: roots, $3: content type, then further options of curl; standard input: the body.
post() {
  post_url=$1 post_roots=$2 type=$3
  shift 3
  ask_server "$post_url" "$post_roots" --header "content-type: $type" --data-binary @- "$@"
}

# Dies with the reason unless the last answer has the status $1. EST tells some reasons in plain text.
demand() {
  [ "$(cat "$work/status")" = "$1" ] && return
  sed "s/\\\\\"/'/g" "$work/answer" > "$work/plain"
  why="$(text_of reason < "$work/plain") $(text_of detail < "$work/plain")"
  [ "$why" != ' ' ] || why=$(head -n 1 "$work/plain" | cut -c 1-200 | tr -cd '[:print:]')
  die "refused ($(cat "$work/status")): $why"
}

# Leaves in $work/answer the JSON that the authority signed, and dies unless it is the authority's own, to this very question: who
# carries an answer can change nothing of it.
# $1: purpose, $2: challenge, $3: what it is about, $4: roots, $5: fleet (a regular expression)
verify_answer() {
  for name in signer signerIssuer; do member "$work/answer" $name > "$work/$name.pem"; done
  member "$work/answer" signature | openssl base64 -d -A > "$work/signature"
  member "$work/answer" payload | openssl base64 -d -A > "$work/payload"
  openssl verify -x509_strict -no-CApath -no-CAstore -CAfile "$4" -untrusted "$work/signerIssuer.pem" "$work/signer.pem" \
    > "$work/why" 2>&1 || die "the answer's signer could not be verified; nothing of it was taken"
  names_of "$work/signer.pem" | grep -Eqx "URI:spiffe://$5/authority/[a-z0-9][a-z0-9._-]{0,62}" ||
    die "the answer is not signed by the fleet's authority; nothing of it was taken"
  public_key_of "$work/signer.pem" > "$work/signer.key"
  { printf 'portcullis answer v1\n'; cat "$work/payload"; } |
    openssl dgst -sha256 -verify "$work/signer.key" -signature "$work/signature" > "$work/why" 2>&1 ||
    die "the answer's signature is not by its signer; nothing of it was taken"
  [ "$(member "$work/payload" purpose) $(member "$work/payload" challenge) $(member "$work/payload" about)" = "$1 $2 $3" ] ||
    die 'the answer is to another question; nothing of it was taken'
  mv "$work/payload" "$work/answer"
}

# The token's secret is the seed of an Ed25519 key (RFC 8410 says how one is written): it signs, and goes nowhere. $1: the secret.
proof_key() {
  { printf '\060\056\002\001\000\060\005\006\003\053\145\160\004\042\004\040'
    printf '%s=' "$1" | tr '_-' '/+' | openssl base64 -d -A; } > "$work/proof.der"
}

# The key that waits for its certificate. It is on disk before anything is asked, so that a lost answer burns nothing.
pending_key() {
  if [ ! -s "$1/pending.pem" ]; then
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1/pending.new"
    sync "$1/pending.new" 2> /dev/null || sync
    mv "$1/pending.new" "$1/pending.pem"
  fi
  echo "$1/pending.pem"
}

request_for() { openssl req -new -key "$1" -subj "/CN=$2" -outform DER | base64_of; }

# Checks what was issued, and puts it beside the one before under the name "current" in one step.
# $1: directory, $2: subject, $3: yes where the pair is to be confirmed yet
adopt() {
  made=$work/made
  rm -rf "$made"
  mkdir "$made"
  for name in fleet subject kind enrolment renewAfter; do member "$work/answer" $name > "$made/$name"; done
  for name in certificate issuer roots; do member "$work/answer" $name > "$made/$name.pem"; done
  texts_of gates < "$work/answer" > "$made/gates"
  names_of "$made/certificate.pem" | grep -Fqx "URI:spiffe://$(cat "$made/fleet")/$(cat "$made/kind")/$2" &&
    [ "$(public_key_of "$made/certificate.pem")" = "$(openssl pkey -in "$1/pending.pem" -pubout)" ] ||
    die "the certificate that was issued is not one of \"$2\" for this key"
  cat "$made/certificate.pem" "$made/issuer.pem" > "$made/chain.pem"
  [ "$3" = no ] || : > "$made/unconfirmed"
  put_in_place "$1"
}

# Puts $made, with the key that waited for it, beside the credential before, and under the name "current" in one step. $1: directory
put_in_place() {
  new=$(mktemp -d "$1/credential.XXXXXX")
  cp "$made"/* "$new/"
  cp "$1/pending.pem" "$new/key.pem"
  sync
  old=$(readlink "$1/current" || true)
  ln -sfn "$(basename "$new")" "$1/current.new"
  mv -T "$1/current.new" "$1/current"
  rm -f "$1/pending.pem"
  [ -z "$old" ] || rm -rf "${1:?}/$old"
}

enrol() {
  [ ! -e "$1/current" ] || die "\"$1\" holds a credential already; enrol into another directory"
  tr -d '\n\r \t' | tr '_-' '/+' > "$work/token64"
  while [ $(($(wc -c < "$work/token64") % 4)) -ne 0 ]; do printf = >> "$work/token64"; done
  openssl base64 -d -A < "$work/token64" > "$work/token" 2> /dev/null || true
  grep -q '"secret":"' "$work/token" ||
    die 'this is not an enrolment token; it must be the one string that "portcullis token create" prints'
  mkdir -p "$1"
  url=$(member "$work/token" url)
  subject=$(member "$work/token" subject)
  texts_of roots < "$work/token" | while read -r root; do
    echo "$root" | openssl base64 -d -A | openssl x509 -inform DER
  done > "$work/roots.pem"
  key=$(pending_key "$1")
  request=$(request_for "$key" "$subject")
  verify_server "$url" "$work/roots.pem" '(authority|desk)' '[a-z0-9][a-z0-9._-]{0,62}'
  proof_key "$(member "$work/token" secret)"
  challenge=$(new_challenge)
  about=$(echo "$request" | openssl base64 -d -A | sha256)
  printf 'portcullis enrolment v2\n%s\n%s' "$challenge" "$about" > "$work/signed"
  signature=$(openssl pkeyutl -sign -rawin -keyform DER -inkey "$work/proof.der" -in "$work/signed" | base64_of)
  public=$(openssl pkey -inform DER -in "$work/proof.der" -pubout -outform DER | tail -c 32 | base64_of | tr '+/' '-_' | tr -d =)
  printf '{"proofKey":"%s","challenge":"%s","request":"%s","signature":"%s"}' "$public" "$challenge" "$request" "$signature" |
    post "$url/v1/enrolments" "$work/roots.pem" application/json
  demand 200
  verify_answer enrolment "$challenge" "$about" "$work/roots.pem" '[a-z0-9][a-z0-9._-]{0,62}'
  adopt "$1" "$subject" no
  echo "enrolled as $subject"
}

send() {
  now=$1/current
  [ -e "$now/key.pem" ] || die "there is no credential in \"$1\"; enrol first"
  grep '[^[:space:]]' > "$work/readings" || true
  count=$(grep -c . "$work/readings" || true)
  [ "$count" -gt 0 ] || die 'there is nothing to send'
  while read -r gate; do
    # In a subshell: a gate that is down, or is none, is not the end where there is another.
    if (
      verify_server "$gate" "$now/roots.pem" gate "$(sed 's/\./\\./g' "$now/fleet")" \
        -cert "$now/certificate.pem" -cert_chain "$now/issuer.pem" -key "$now/key.pem"
      post "$gate/v1/streams/$2/readings" "$now/roots.pem" application/x-ndjson \
        --cert "$now/chain.pem" --key "$now/key.pem" < "$work/readings"
      demand 202
      grep -q "\"acknowledged\":$count[,}]" "$work/answer" || die 'the acknowledgement is not one of these readings'
    ); then
      echo "acknowledged $count"
      return 0
    fi
  done < "$now/gates"
  die 'no gate took the readings'
}

renew() {
  now=$1/current
  [ -e "$now/key.pem" ] || die "there is no credential in \"$1\"; enrol first"
  if [ -e "$now/est" ]; then est_renew "$1" "$2"; return; fi
  subject=$(cat "$now/subject")
  url=$(cat "$now/enrolment")
  fleet=$(sed 's/\./\\./g' "$now/fleet")
  if [ "$2" = when-due ] && [ ! -e "$now/unconfirmed" ] && [ "$(date -u +%Y-%m-%dT%H:%M:%S)" \< "$(cat "$now/renewAfter")" ]; then
    echo "$subject is not due before $(cat "$now/renewAfter")"
    return 0
  fi
  verify_server "$url" "$now/roots.pem" '(authority|desk)' "$fleet"
  if [ ! -e "$now/unconfirmed" ]; then
    key=$(pending_key "$1")
    request=$(request_for "$key" "$subject")
    about=$(echo "$request" | openssl base64 -d -A | sha256)
    ask renewal "" ",\"request\":\"$request\""
    adopt "$1" "$subject" yes
  fi
  about=$(openssl x509 -in "$now/certificate.pem" -outform DER | sha256)
  ask confirmation /confirmation ''
  rm -f "$now/unconfirmed"
  echo "renewed $subject"
}

# $1: purpose, $2: what follows /v1/renewals, $3: further members. Signed by the present key over the server's nonce, a challenge, and
# $about.
ask() {
  nonce=$(nonce)
  challenge=$(new_challenge)
  signature=$(printf 'portcullis %s v2\n%s\n%s\n%s' "$1" "$nonce" "$challenge" "$about" | signature "$now/key.pem")
  printf '{"certificate":"%s","nonce":"%s","challenge":"%s","signature":"%s"%s}' \
    "$(escaped "$now/certificate.pem")" "$nonce" "$challenge" "$signature" "$3" |
    post "$url/v1/renewals$2" "$now/roots.pem" application/json
  demand 200
  verify_answer "$1" "$challenge" "$about" "$now/roots.pem" "$fleet"
}

nonce() {
  printf '{}' | post "$url/v1/renewals/nonce" "$now/roots.pem" application/json
  demand 200
  member "$work/answer" nonce
}

escaped() { awk '{ printf "%s\\n", $0 }' "$1"; }

# The certificates in an answer of EST: PKCS#7 in base64, as PEM. $1: file
certificates_in() {
  openssl base64 -d -A < "$1" | openssl pkcs7 -inform DER -print_certs 2> /dev/null | sed -n '/^-----BEGIN/,/^-----END/p'
}

# Checks what EST issued for the key that waits, and puts it in place. $1: directory, $2: file of the answer, then what stays as it is: $3: URL,
# $4: roots, $5: gates (files)
adopt_by_est() {
  made=$work/made
  rm -rf "$made"
  mkdir "$made"
  certificates_in "$2" > "$made/certificate.pem"
  cp "$3" "$made/est"
  cp "$4" "$made/roots.pem"
  cp "$5" "$made/gates"
  ask_server "$(cat "$3")/.well-known/est/cacerts" "$4"
  demand 200
  certificates_in "$work/answer" > "$work/authorities.pem"
  openssl verify -x509_strict -no-CApath -no-CAstore -CAfile "$4" -untrusted "$work/authorities.pem" "$made/certificate.pem" \
    > "$work/why" 2>&1 || die 'the certificate that was issued could not be verified'
  [ "$(public_key_of "$made/certificate.pem")" = "$(openssl pkey -in "$1/pending.pem" -pubout)" ] ||
    die 'the certificate that was issued is not for this key'
  names_of "$made/certificate.pem" | sed -n 's|^URI:spiffe://||p' | tr / '\n' > "$work/uri"
  for name in fleet kind subject; do
    sed -n 1p "$work/uri" > "$made/$name"
    sed -i 1d "$work/uri"
  done
  issuer=$(openssl x509 -in "$made/certificate.pem" -noout -issuer_hash)
  awk -v to="$work/authority." '/^-----BEGIN/ { n++ } { print > (to n) }' "$work/authorities.pem"
  for one in "$work"/authority.*; do
    [ "$(openssl x509 -in "$one" -noout -subject_hash)" != "$issuer" ] || cp "$one" "$made/issuer.pem"
  done
  cat "$made/certificate.pem" "$made/issuer.pem" > "$made/chain.pem"
  put_in_place "$1"
}

est_enrol() {
  [ ! -e "$1/current" ] || die "\"$1\" holds a credential already; enrol into another directory"
  mkdir -p "$1"
  { printf 'user = "'; tr -d '\n"\\'; printf '"\n'; } > "$work/user"
  # Else curl would ask whoever sits there.
  grep -q '^user = "[^:]*:.' "$work/user" || die 'this is not what "portcullis token create --est" prints; it must be SUBJECT:SECRET'
  echo "$2" > "$work/est"
  echo "$4" > "$work/gates"
  key=$(pending_key "$1")
  verify_server "$2" "$3" desk '[a-z0-9][a-z0-9._-]{0,62}'
  request_for "$key" device | post "$2/.well-known/est/simpleenroll" "$3" application/pkcs10 --config "$work/user"
  demand 200
  mv "$work/answer" "$work/issued"
  adopt_by_est "$1" "$work/issued" "$work/est" "$3" "$work/gates"
  echo "enrolled as $(cat "$1/current/subject")"
}

# A request whose challengePassword is the present key's signature for the new one: without it an operator would have to approve it. OpenSSL
# takes attributes from a file alone. $1: new key, $2: directory of the present credential
vouched_request() {
  present=$(openssl x509 -in "$2/certificate.pem" -outform DER | sha256)
  wanted=$(openssl pkey -in "$1" -pubout -outform DER | sha256)
  vouched=$(printf 'portcullis est renewal v1\n%s\n%s' "$present" "$wanted" | signature "$2/key.pem")
  printf '%s\n' '[req]' 'prompt = no' 'distinguished_name = name' 'attributes = attributes' '[name]' 'CN = device' \
    '[attributes]' "challengePassword = $vouched" > "$work/request.conf"
  openssl req -new -key "$1" -config "$work/request.conf" -outform DER | base64_of
}

# EST says no time: renewed in the last half of 30 days. The first use of the new certificate confirms it.
est_renew() {
  now=$1/current
  if [ "$2" = when-due ] && openssl x509 -in "$now/certificate.pem" -noout -checkend 1296000 > /dev/null; then
    echo "$(cat "$now/subject") is not due"
    return 0
  fi
  url=$(cat "$now/est")
  key=$(pending_key "$1")
  verify_server "$url" "$now/roots.pem" desk "$(sed 's/\./\\./g' "$now/fleet")"
  vouched_request "$key" "$now" | post "$url/.well-known/est/simplereenroll" "$now/roots.pem" application/pkcs10 \
    --cert "$now/chain.pem" --key "$now/key.pem"
  demand 200
  mv "$work/answer" "$work/issued"
  adopt_by_est "$1" "$work/issued" "$now/est" "$now/roots.pem" "$now/gates"
  echo "renewed $(cat "$1/current/subject")"
}

[ $# -ge 2 ] || usage
case $1/$# in
  enrol/2) enrol "$2" ;;
  est/5) est_enrol "$2" "$3" "$4" "$5" ;;
  send/3) send "$2" "$3" ;;
  renew/2) renew "$2" when-due ;;
  renew/3) [ "$3" = --now ] || usage; renew "$2" now ;;
  *) usage ;;
esac
