// A TLS client with the defaults of Java's library: Tls.java HOST PORT
import java.security.cert.X509Certificate;
import javax.net.ssl.*;

public class Tls {
    public static void main(String[] args) throws Exception {
        TrustManager[] any = {new X509TrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String type) {}
            public void checkServerTrusted(X509Certificate[] chain, String type) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        }};
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, any, null);
        try (SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket(args[0], Integer.parseInt(args[1]))) {
            s.startHandshake();
        }
    }
}
