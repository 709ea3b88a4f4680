import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.*;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** What Java's own validator says of certificates: `java Pkix.java ROOT ISSUER LEAF…`, a line for each leaf and way to look. */
public class Pkix {
  static X509Certificate read(String file) throws Exception {
    var bytes = new ByteArrayInputStream(Files.readAllBytes(Path.of(file)));
    return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(bytes);
  }

  static String judged(X509Certificate root, X509Certificate issuer, String leaf, Set<PKIXRevocationChecker.Option> way) throws Exception {
    var validator = CertPathValidator.getInstance("PKIX");
    var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
    checker.setOptions(way);
    var parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
    parameters.addCertPathChecker(checker);
    var path = CertificateFactory.getInstance("X.509").generateCertPath(List.of(read(leaf), issuer));
    try {
      validator.validate(path, parameters);
      return "taken";
    } catch (CertPathValidatorException failure) {
      return failure.getReason() + " at " + failure.getIndex() + ": " + failure.getMessage();
    }
  }

  public static void main(String[] words) throws Exception {
    // The lists that certificates name are fetched only where this is said.
    System.setProperty("com.sun.security.enableCRLDP", "true");
    var root = read(words[0]);
    var issuer = read(words[1]);
    var alone = PKIXRevocationChecker.Option.NO_FALLBACK;
    for (int index = 2; index < words.length; index++) {
      System.out.println("OCSP " + words[index] + " " + judged(root, issuer, words[index], EnumSet.of(alone)));
      var lists = EnumSet.of(alone, PKIXRevocationChecker.Option.PREFER_CRLS);
      System.out.println("list " + words[index] + " " + judged(root, issuer, words[index], lists));
    }
  }
}
